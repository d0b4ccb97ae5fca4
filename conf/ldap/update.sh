#!/bin/sh
# update.sh - bring the LDAP book up to date: only what changed since the file that was loaded last.
# SPDX-License-Identifier: MPL-2.0
#
#     update.sh [FILE [LDAPI-URL]]
set -eu
book=${1:-/var/lib/congvu-ldap/danhba.ldif}
url=${2:-ldapi:///}
congvu=${CONGVU:-congvu}

$congvu directory ldif > "$book.new"
$congvu directory ldif --since "$book" > "$book.changes"
if grep -q '^changetype:' "$book.changes"; then
	ldapmodify -Q -Y EXTERNAL -H "$url" -f "$book.changes" > "$book.log"
fi
mv "$book.new" "$book"
rm -f "$book.changes"
