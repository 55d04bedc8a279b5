#!/bin/sh
# Starts nginx for the name that people type.
set -eu
case ${MIP_NAME:-} in
'' | *[!a-z0-9.-]*)
    echo 'MIP_NAME is the name that people type, such as mip.hospital.example' >&2
    exit 1
    ;;
esac
sed "s/@NAME@/$MIP_NAME/g" /etc/mip/site >/tmp/site
exec nginx -e stderr -c /etc/mip/nginx.conf
