# Starting runner-dind as PID 1 of a container of whatever docker is here. Wants BUILT, a directory, and DIND, the program in it.
#
# The image is directories, links and a few files; /usr comes from the level above, so that any number of levels costs kilobytes.
image() {
    rm -rf /tmp/base && mkdir -p /tmp/base/proc /tmp/base/sys /tmp/base/dev /tmp/base/run /tmp/base/tmp /tmp/base/root /tmp/base/var
    # The settings of the docker of this level are not for the next one, which has no systemd to make groups.
    cp -a /etc /tmp/base/etc && rm -rf /tmp/base/etc/docker
    echo dockremap:x:500:500::/:/bin/false >> /tmp/base/etc/passwd
    echo dockremap:x:500: >> /tmp/base/etc/group
    echo dockremap:165536:65536 | tee /tmp/base/etc/subuid > /tmp/base/etc/subgid
    for name in bin sbin lib lib64; do ln -s usr/$name /tmp/base/$name; done
    ln -s /run /tmp/base/var/run
    tar -C /tmp/base -c . | docker import - base:1 > /tmp/import 2>&1 || cat /tmp/import
}
# sidecar NAME OPTION... : with the words of SIDECAR_OPTIONS, too
sidecar() {
    name=$1; shift
    docker run --detach --name "$name" --env LOG_FORMAT=human --env NO_COLOR=1 --volume /usr:/usr:ro --volume "$BUILT:$BUILT:ro" \
        --volume "/run/tasks/$name:/run/task" ${SIDECAR_OPTIONS:-} "$@" base:1 "$DIND" > /dev/null
}
# ready NAME: waits for the socket, and tells the log when it ended instead
ready() {
    until [ -S "/run/tasks/$1/docker.sock" ]; do
        [ "$(docker inspect -f '{{.State.Running}}' "$1")" = true ] || { docker logs "$1"; return 1; }
        sleep 0.2
    done
}
# inside NAME SCRIPT
inside() { docker exec --env BUILT="$BUILT" --env DIND="$DIND" "$1" sh -c "$2"; }
TINY='mkdir -p /tmp/i/bin && cp /usr/bin/busybox /tmp/i/bin/busybox && ln -sf busybox /tmp/i/bin/sh && tar -C /tmp/i -c . | docker import - tiny:1 >/dev/null'
