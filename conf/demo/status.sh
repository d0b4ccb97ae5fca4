#!/bin/bash
# Tells what of the demo runs, and how to try it.
# SPDX-License-Identifier: MPL-2.0
set -euo pipefail
. "$(dirname "$0")/lib.sh"

[[ -e $env_file ]] || die "there is no demo yet: ./dev start"
. "$env_file"
if ! pid=$(demo_pid); then
	say "The demo is stopped. ./dev start starts it again."
	exit 3
fi
cat <<END
congvu demo: tỉnh Lam Giang, pid $pid, files in $run

  account 1      $DEMO_USER1   password $DEMO_PASS1
  account 2      $DEMO_USER2   password $DEMO_PASS2
  SMTP (MX)      $DEMO_HOST:$DEMO_MX_PORT
  submission     $DEMO_HOST:$DEMO_SUBMISSION_PORT (STARTTLS), $DEMO_HOST:$DEMO_SUBMISSIONS_PORT (TLS)
  IMAP           $DEMO_HOST:$DEMO_IMAP_PORT (STARTTLS), $DEMO_HOST:$DEMO_IMAPS_PORT (TLS)
  POP3           $DEMO_HOST:${DEMO_POP3_PORT:-2110} (STLS), $DEMO_HOST:${DEMO_POP3S_PORT:-2995} (TLS)
  certificates   $DEMO_CA
  directory      file://$DEMO_DIRECTORY/index.html
  settings       $env_file

Try:
  . $env_file
  # read account 2's newest letter
  curl -s --cacert \$DEMO_CA -u "\$DEMO_USER2:\$DEMO_PASS2" "imaps://\$DEMO_HOST:\$DEMO_IMAPS_PORT/INBOX;MAILINDEX=1"
  # write to account 2 as a citizen
  swaks --server \$DEMO_HOST:\$DEMO_MX_PORT --from cong.dan@congdan.example --to \$DEMO_USER2 \\
        --header "Subject: Hoi thu tuc"
  # write as account 1
  swaks --server \$DEMO_HOST:\$DEMO_SUBMISSION_PORT -tls --auth-user \$DEMO_USER1 \\
        --auth-password "\$DEMO_PASS1" --from \$DEMO_USER1 --to \$DEMO_USER2
  # administer
  \$DEMO_CONGVU --conf \$DEMO_CONF account list hoa
  \$DEMO_CONGVU --conf \$DEMO_CONF status
  ./dev stop
END
