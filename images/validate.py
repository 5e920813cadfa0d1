#!/usr/bin/env python3
"""What others know to check: shapes, enums, syntax, style. The pair's own contract is `cargo xtask check-deploy`'s.

`cargo xtask check` runs this in a virtual environment with validators.txt; no network, no account. `--self-test` hands each validator files
with one fault each and wants every one refused: a validator that accepts everything is none.
"""

import argparse
import copy
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent


def run(*words, cwd=None):
    """Lines that a program says, and whether it was content."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, cwd=cwd or ROOT)
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    return done.returncode == 0, lines


def complaints(*words, cwd=None):
    content, lines = run(*words, cwd=cwd)
    return [] if content else lines or [f"{words[0]} failed and said nothing"]


# ECS, by botocore: the model of the API that every AWS tool has, without the service.

OPERATIONS = {"containerDefinitions": "RegisterTaskDefinition", "serviceName": "CreateService", "overrides": "RunTask"}


def operation(document):
    return next((name for key, name in OPERATIONS.items() if key in document), None)


def botocore(paths):
    from botocore.session import get_session
    from botocore.validate import ParamValidator

    model = get_session().get_service_model("ecs")
    found = []
    for path in paths:
        document = json.loads(path.read_text())
        name = operation(document)
        if name is None:
            found.append(f"{path}: neither a task definition, a service nor a task to run")
            continue
        shape = model.operation_model(name).input_shape
        report = ParamValidator().validate(document, shape)
        if report.has_errors():
            found += [f"{path}: {line}" for line in report.generate_report().splitlines()]
        else:
            found += [f"{path}: {line}" for line in beyond_enums(document, shape, "")]
    return found


def beyond_enums(value, shape, where):
    """botocore leaves enums to the service."""
    if shape.type_name == "structure":
        for key, inner in value.items():
            yield from beyond_enums(inner, shape.members[key], f"{where}.{key}")
    elif shape.type_name == "list":
        for number, inner in enumerate(value):
            yield from beyond_enums(inner, shape.member, f"{where}[{number}]")
    elif shape.type_name == "string" and shape.enum and value not in shape.enum:
        yield f"{where}: {value!r} is none of {', '.join(shape.enum)}"


# ECS and IAM, by cfn-lint: as a CloudFormation template, whose schemas know what goes together.

RENAMED = {
    "efsVolumeConfiguration": "EFSVolumeConfiguration",
    "fileSystemId": "FilesystemId",
    "iam": "IAM",
    "enableECSManagedTags": "EnableECSManagedTags",
    "placementStrategy": "PlacementStrategies",
    "managedEBSVolume": "ManagedEBSVolume",
}
# Their keys are anybody's words.
FREE = {"options", "driverOpts"}


def cloudformation(value):
    if isinstance(value, list):
        return [cloudformation(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    return {RENAMED.get(key, key[:1].upper() + key[1:]): inner if key in FREE else cloudformation(inner) for key, inner in value.items()}


def resource(document):
    """The resource that says the same; RunTask has none."""
    if "Statement" in document:
        if any("Principal" in statement for statement in document["Statement"]):
            return {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": document}}
        return {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": document}}
    kind = {"RegisterTaskDefinition": "TaskDefinition", "CreateService": "Service"}.get(operation(document))
    return kind and {"Type": f"AWS::ECS::{kind}", "Properties": cloudformation(document)}


def cfn_lint(paths):
    with tempfile.TemporaryDirectory() as folder:
        templates = {}
        for number, path in enumerate(paths):
            made = resource(json.loads(path.read_text()))
            if made:
                template = Path(folder, f"{number}.json")
                template.write_text(json.dumps({"AWSTemplateFormatVersion": "2010-09-09", "Resources": {"Made": made}}))
                templates[str(template)] = str(path)
        # One region: each has schemas of its own to read.
        found = complaints(BIN / "cfn-lint", "--non-zero-exit-code", "warning", "--format", "parseable", "--regions", "eu-central-1", "--", *templates)
        # The template's places say nothing of ours.
        for template, path in templates.items():
            found = [re.sub(f"^{re.escape(template)}[:0-9]*", f"{path}: ", line) for line in found]
        return found


# Templates for CloudFormation, as they are. What a dashboard's body is, cfn-lint does not know: tests/it/dashboards does.

def templates(paths):
    return complaints(BIN / "cfn-lint", "--non-zero-exit-code", "warning", "--format", "parseable", "--regions", "eu-central-1", "--", *paths)


# Grafana: its own SDK, generated from its schemas, reads a dashboard and writes it again. What it does not know is lost on the way.

# Of the import alone, or of the editor.
OUTSIDE_THE_SCHEMA = {"__inputs", "__elements", "__requires"}


def grafana(paths):
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.cog.plugins import register_default_plugins
    from grafana_foundation_sdk.models.dashboard import Dashboard

    register_default_plugins()
    found = []
    for path in paths:
        document = json.loads(path.read_text())
        known = json.loads(JSONEncoder().encode(Dashboard.from_json(document)))
        found += [f"{path}: {line}" for line in lost(document, known, "") if line.lstrip(".") not in OUTSIDE_THE_SCHEMA]
    return found


def lost(before, after, where):
    """Places of what is in the one and not, or not the same, in the other; what one leaves out and what is null are the same."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in before.items():
            if value is not None:
                yield from lost(value, after[key], f"{where}.{key}") if key in after else [f"{where}.{key}"]
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (one, other) in enumerate(zip(before, after)):
            yield from lost(one, other, f"{where}[{number}]")
    elif before != after:
        yield where


# Kubernetes: a file of manifests, or values of a chart whose template is a pod.

KUBERNETES = "1.37"


def kubernetes(paths):
    import kubernetes_validate
    import yaml

    found = []
    for path in paths:
        for document in yaml.safe_load_all(path.read_text()):
            if "apiVersion" not in document:
                document = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "template"}, "spec": document["template"]["spec"]}
            try:
                kubernetes_validate.validate(document, KUBERNETES, strict=True)
            except kubernetes_validate.ValidationError as error:
                found.append(f"{path}: {'.'.join(str(part) for part in error.path)}: {error.message}")
            except kubernetes_validate.utils.SchemaNotFoundError as error:
                found.append(f"{path}: {error}")
    return found


def hcl(paths):
    import hcl2

    found = []
    for path in paths:
        try:
            with path.open() as file:
                hcl2.load(file)
        except Exception as error:  # every parser's own
            found.append(f"{path}: {str(error).splitlines()[0]}")
    return found


# A workflow's action, its hash and the version behind it are one long line, with one space before the comment, as Dependabot writes it.
YAML_STYLE = (
    "{extends: default, rules: {line-length: {max: 180}, comments: {min-spaces-from-content: 1}, document-start: disable, "
    "truthy: {check-keys: false}, braces: {max-spaces-inside: 1}}}"
)


def yaml_style(paths):
    return complaints(BIN / "yamllint", "--strict", "--format", "parsable", "-d", YAML_STYLE, *paths)


def dockerfiles(paths):
    return complaints(BIN / "hadolint", "--no-color", *paths)


def workflows(paths):
    return complaints(BIN / "zizmor", "--offline", "--no-progress", "--quiet", "--format", "plain", *paths)


def scripts(paths):
    return complaints(BIN / "shellcheck", "--format", "gcc", *paths)


def units(paths):
    """systemd-analyze wants each program to be there, and exits with 0 whatever it says."""
    found = []
    for path in paths:
        with tempfile.TemporaryDirectory() as folder:
            lines = path.read_text().splitlines()
            there = ["ExecStart=/bin/true" if line.startswith("ExecStart=") else line for line in lines]
            Path(folder, path.name).write_text("\n".join(there) + "\n")
            found += run("systemd-analyze", "verify", "--man=no", Path(folder, path.name), cwd=folder)[1]
    # Units of this machine that ours names are not ours.
    return [line for line in found if any(path.name in line for path in paths)]


def compose(paths):
    """Each file as it is used: the base alone, an override on top of it."""
    found = []
    base = ROOT / "images" / "compose.yaml"
    for path in paths:
        files = [base, path] if path.parent == base.parent and path != base else [path]
        words = [word for file in files for word in ("--file", file)]
        found += complaints("docker", "compose", "--env-file", base.parent / ".env.example", *words, "config", "--quiet")
    return found


def at(document, path, change):
    """A copy of a document with one fault."""
    document = copy.deepcopy(document)
    place = document
    for key in path[:-1]:
        place = place[key]
    if change is None:
        del place[path[-1]]
    else:
        place[path[-1]] = change
    return json.dumps(document)


def ecs_faults():
    """What each of the two finds, of the task definition, the service, the task to run and a policy."""
    ecs = ROOT / "images" / "ecs"
    task, fargate, service, launch = (json.loads((ecs / f"{name}.json").read_text()) for name in ("ec2", "fargate", "service", "run-task"))
    policy, trust = (json.loads((ecs / "iam" / f"{name}.json").read_text()) for name in ("task-role", "trust-tasks"))
    first = ("containerDefinitions", 0)
    both = [
        ("good.json", json.dumps(task), None),
        ("misspelt.json", at(task, (*first, "stopTimout"), 30), "Timout"),
        ("condition.json", at(task, ("containerDefinitions", 1, "dependsOn", 0, "condition"), "STARTED"), "STARTED"),
        ("scope.json", at(task, ("volumes", 0, "dockerVolumeConfiguration", "scope"), "job"), "job"),
        ("service.json", at(service, ("propagateTags",), "TASK"), "TASK"),
    ]
    shape = [
        ("text.json", at(task, (*first, "stopTimeout"), "30"), "stopTimeout"),
        ("number.json", at(task, ("memory",), 15360), "memory"),
        ("family.json", at(task, ("family",), None), "family"),
        ("run.json", at(launch, ("overrides", "containerOverrides", 0, "environement"), []), "environement"),
        ("odd.json", "{}", "neither"),
    ]
    together = [
        ("memory.json", at(fargate, ("memory",), "4096"), "E3047"),
        ("essential.json", at(fargate, (*first, "essential"), False), "E3042"),
        ("effect.json", at(policy, ("Statement", 0, "Effect"), "Permit"), "Permit"),
        ("trust.json", at(trust, ("Statement", 0, "Action"), None), "Action"),
    ]
    return both + shape, both + together


POD = """\
apiVersion: v1
kind: Pod
metadata: {name: one}
spec:
  containers:
    - {name: one, image: "one:1", volumeMounts: [{name: one, mountPath: /one}]}
  volumes: [{name: one, emptyDir: {}}]
"""
VALUES = "template:\n  spec:\n    containers:\n      - {name: one, image: 'one:1', tty: 'yes'}\n"
WORKFLOW = """\
name: one
on: push
permissions: {}
jobs:
  one:
    runs-on: ubuntu-24.04
    steps:
      - run: echo one
"""
UNIT = "[Unit]\nDescription=one\n[Service]\nExecStart=/bin/true\nKillMode=mixed\n"
COMPOSE = "services:\n  one:\n    image: one:1\n"


def grafana_faults():
    """A name that nobody knows, at each depth."""
    dashboard = json.loads((ROOT / "docs" / "dashboards" / "grafana.json").read_text())
    curve = next(number for number, panel in enumerate(dashboard["panels"]) if panel["type"] == "timeseries")
    panel = ("panels", curve)
    return [
        ("good.json", json.dumps(dashboard), None),
        ("dashboard.json", at(dashboard, ("refreshEvery",), "1m"), "refreshEvery"),
        ("variable.json", at(dashboard, ("templating", "list", 0, "includeal"), True), "includeal"),
        ("panel.json", at(dashboard, (*panel, "gridPosition"), {}), "gridPosition"),
        ("field.json", at(dashboard, (*panel, "fieldConfig", "defaults", "custom", "lineWidht"), 2), "lineWidht"),
        ("option.json", at(dashboard, (*panel, "options", "legend", "placment"), "right"), "placment"),
        ("query.json", at(dashboard, (*panel, "targets", 0, "expression"), "up"), "expression"),
    ]


def template_faults():
    template = (ROOT / "docs" / "dashboards" / "cloudwatch-template.yaml").read_text()
    return [
        ("good.yaml", template, None),
        ("comparison.yaml", template.replace("LessThanThreshold", "Less"), "E3030"),
        ("parameter.yaml", template.replace("${Namespace}", "${Namespce}"), "E1019"),
        ("misspelt.yaml", template.replace("TreatMissingData", "TreatMissing"), "TreatMissing"),
        ("condition.yaml", template.replace("!If [HasTopic", "!If [HasTopics"), "HasTopics"),
    ]


def faults():
    """By validator: files, and a word that the complaint has. `None` is a file without a fault."""
    shape, together = ecs_faults()
    return {
        "botocore": shape,
        "cfn-lint": together,
        "cfn-lint of templates": template_faults(),
        "grafana-foundation-sdk": grafana_faults(),
        "kubernetes-validate": [
            ("good.yaml", POD, None),
            ("misspelt.yaml", POD.replace("mountPath", "path"), "mountPath"),
            ("unknown.yaml", POD.replace("  volumes", "  volums: []\n  volumes"), "volums"),
            ("type.yaml", POD.replace("image: \"one:1\"", "image: 1"), "image"),
            ("missing.yaml", POD.replace("name: one, image", "image"), "name"),
            ("values.yaml", VALUES, "tty"),
        ],
        "python-hcl2": [
            ("good.hcl", 'job "one" {\n  type = "batch"\n}\n', None),
            ("open.hcl", 'job "one" {\n  type = "batch"\n', "open.hcl"),
            ("value.hcl", 'job "one" {\n  type =\n}\n', "value.hcl"),
        ],
        "yamllint": [("good.yaml", POD, None), ("twice.yaml", "one: 1\none: 2\n", "key-duplicates"), ("tab.yaml", "one:\n\t- 1\n", "syntax")],
        "hadolint": [
            ("Dockerfile", "FROM debian:trixie-slim\nENTRYPOINT [\"/bin/true\"]\n", None),
            ("Dockerfile.latest", "FROM debian:latest\n", "DL3007"),
            ("Dockerfile.shell", "FROM debian:trixie-slim\nCMD true\n", "DL3025"),
        ],
        "zizmor": [
            ("good.yml", WORKFLOW, None),
            ("pinned.yml", WORKFLOW.replace("run: echo one", "uses: actions/checkout@v4"), "unpinned-uses"),
            ("inject.yml", WORKFLOW.replace("echo one", "echo ${{ github.event.head_commit.message }}"), "template-injection"),
            ("trigger.yml", WORKFLOW.replace("on: push", "on: pull_request_target"), "dangerous-triggers"),
        ],
        "shellcheck": [("good.sh", "#!/bin/sh\necho one\n", None), ("quote.sh", "#!/bin/sh\nrm $1\n", "SC2086")],
        "systemd-analyze": [("good.service", UNIT, None), ("mode.service", UNIT.replace("mixed", "mixd"), "kill mode")],
        "docker compose": [("good.yaml", COMPOSE, None), ("key.yaml", COMPOSE.replace("image", "imag"), "imag"), ("wait.yaml", COMPOSE + "    stop_grace_period: soon\n", "soon")],
    }


def tracked(*patterns):
    """Files of the project: committed, or about to be."""
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns)[1]
    return sorted({ROOT / line for line in listed if (ROOT / line).is_file()})


def has_compose():
    return shutil.which("docker") is not None and run("docker", "compose", "version")[0]


# Name, what it judges, how; for a program that PyPI has not, what it is missing from.
VALIDATORS = [
    ("cfn-lint", ["images/ecs/*.json"], cfn_lint, None),
    ("cfn-lint of templates", ["docs/dashboards/*-template.yaml"], templates, None),
    ("grafana-foundation-sdk", ["docs/dashboards/grafana*.json"], grafana, None),
    ("botocore", ["images/ecs/*.json", ":!images/ecs/iam"], botocore, None),
    ("kubernetes-validate", ["images/kubernetes/*.yaml"], kubernetes, None),
    ("python-hcl2", ["*.hcl"], hcl, None),
    ("yamllint", ["*.yaml", "*.yml"], yaml_style, None),
    ("hadolint", ["images/*Dockerfile"], dockerfiles, None),
    ("zizmor", [".github/workflows/*.yml", ".github/dependabot.yml"], workflows, None),
    ("shellcheck", ["images/*.sh", "ami/*.sh", "ami/files/data-volume", "ami/files/metadata", "ami/files/spot", ".ci/*"], scripts, None),
    ("systemd-analyze", ["images/vm/*.service", "ami/*.service", "ami/*.timer"], units, lambda: shutil.which("systemd-analyze") is not None),
    ("docker compose", ["images/compose*.yaml"], compose, has_compose),
]


BROKE = "the validator broke"


def careful(check, paths):
    """What a validator says; that it broke is a complaint, not the end of the others."""
    try:
        return check(paths)
    except Exception as error:
        return [f"{BROKE}: {type(error).__name__}: {error}"]


def judge(validator):
    name, patterns, check, there = validator
    start = time.monotonic()
    if there is not None and not there():
        return name, "not on this machine: left out", []
    paths = tracked(*patterns)
    found = careful(check, paths) if paths else []
    return name, f"{len(paths)} files, {time.monotonic() - start:.1f} s", found


def test(validator):
    name, _, check, there = validator
    start = time.monotonic()
    if there is not None and not there():
        return name, "not on this machine: left out", []
    cases, wrong = faults()[name], []
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, file) for file, _, _ in cases]
        for path, (_, text, _) in zip(paths, cases):
            path.write_text(text)
        # cfn-lint takes two seconds to begin, whatever it is given, and names the file in each line.
        at_once = check in (cfn_lint, templates)
        together = careful(check, paths) if at_once else []
        for path, (file, _, word) in zip(paths, cases):
            said = [line for line in together if str(path) in line or BROKE in line] if at_once else careful(check, [path])
            if any(BROKE in line for line in said):
                wrong += said
            elif word is None and said:
                wrong.append(f"{file} has no fault, and is refused: {said}")
            elif word is not None and not any(word in line for line in said):
                wrong.append(f"{file}: nothing is said of {word!r}, but: {said}")
    return name, f"{len(cases)} faults and files without, {time.monotonic() - start:.1f} s", wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--self-test", action="store_true", help="files with one fault each, in place of the project's")
    arguments = parser.parse_args()
    failed = False
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, how, found in pool.map(test if arguments.self_test else judge, VALIDATORS):
            print(f"{name}: {how}", *(line.replace(f"{ROOT}/", "") for line in found), sep="\n  ")
            failed |= bool(found)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
