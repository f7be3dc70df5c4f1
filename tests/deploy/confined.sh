#!/bin/sh
# confined.sh DATA SHOWN COMMAND…: runs a command as the units and the image of deploy/ do, in mounts of its own: as user
# 10001 without rights to gain, on a file system that is read-only but for DATA and /tmp, with no way into /root.
# SHOWN, folders with colons between them (the interpreter's, the checkout), may lie there and are seen all the same.
set -eu
data=$1 shown=$2
shift 2
each_shown() { # ACTION: call it with each folder and the place where it is kept meanwhile
    number=0
    old=$IFS IFS=:
    for place in $shown; do
        IFS=$old
        number=$((number + 1))
        "$1" "$place" "$data/shown-$number"
    done
    IFS=$old
}
keep() { mkdir "$2" && mount --bind "$1" "$2"; }
show() { mkdir -p "$1" && mount --move "$2" "$1" && rmdir "$2"; }

mount --make-rprivate /
mount --bind "$data" "$data"
each_shown keep
mount -t tmpfs -o mode=755 tmpfs /root
each_shown show
mount --bind /tmp /tmp # what lies below it, DATA maybe, is seen as before
while read -r _ place _; do
    case $place in
    "$data" | /tmp | /proc* | /sys* | /dev | /dev/pts) ;;
    *) [ ! -e "$place" ] || mount -o remount,bind,ro "$place" ;; # what /root covers is not there any more
    esac
done < /proc/self/mounts
exec setpriv --reuid 10001 --regid 10001 --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all -- "$@"
