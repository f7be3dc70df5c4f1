#!/bin/sh
# confined.sh DATA PYTHON COMMAND…: runs a command as the units and the image of deploy/ do, in mounts of its own: as
# user 10001 without rights to gain, on a file system that is read-only but for DATA and /tmp, with no way into /root.
# PYTHON, the interpreter's folder, may lie there and is shown all the same.
set -eu
data=$1 python=$2
shift 2
mount --make-rprivate /
mount --bind "$data" "$data"
mkdir "$data/python"
mount --bind "$python" "$data/python"
mount -t tmpfs -o mode=755 tmpfs /root
mkdir -p "$python"
mount --move "$data/python" "$python"
rmdir "$data/python"
mount -t tmpfs -o mode=1777 tmpfs /tmp
while read -r _ place _; do
    case $place in
    "$data" | /tmp | /proc* | /sys* | /dev | /dev/pts) ;;
    *) [ ! -e "$place" ] || mount -o remount,bind,ro "$place" ;; # what /root covers is not there any more
    esac
done < /proc/self/mounts
exec setpriv --reuid 10001 --regid 10001 --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all -- "$@"
