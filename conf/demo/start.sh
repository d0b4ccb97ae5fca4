#!/bin/bash
# Makes the demo province under run/demo, starts it on loopback, sends a few letters, publishes the
# directory and says how to reach it all. A demo that exists already is started as it was left.
#   start.sh [--full] [--fresh]      --full: all 12,077 people; --fresh: throw the old demo away first
# SPDX-License-Identifier: MPL-2.0
set -euo pipefail
. "$(dirname "$0")/lib.sh"

full= fresh=
for word; do
	case $word in
	--full) full=--full ;;
	--fresh) fresh=yes ;;
	*) die "unknown word $word (known: --full, --fresh)" ;;
	esac
done

if pid=$(demo_pid); then
	say "The demo runs already (pid $pid). ./dev status shows it, ./dev stop ends it."
	exit 0
fi
[[ -x $congvu ]] || die "$congvu is missing: ./dev build release"
[[ -z $fresh ]] || rm -rf "$run"
# --full on a small demo, or the other way round, begins anew.
[[ ! -e $run/size || $(cat "$run/size") == "${full:-small}" ]] || rm -rf "$run"

domain=lamgiang.example
user1=nthoa.stp@$domain # Nguyễn Thị Hòa
user2=tvnam.snv@$domain # Trần Văn Nam
export CONGVU_CONF=$conf CONGVU_LANG=${CONGVU_LANG:-en}

begin=$SECONDS
first=
if [[ ! -e $run/ready ]]; then
	first=yes
	rm -rf "$run"
	mkdir -p "$run"
	printf '%s\n' "${full:-small}" > "$run/size"
	say "Making the province Lam Giang in $run ..."
	"$congvu" init --base-dir "$run" --domain $domain --province "Tỉnh Lam Giang" \
		--hostname mail.$domain --ports demo --conf "$conf" > "$run/init.txt"
	cp "$root/conf/demo/zone" "$run/zone"
	# The demo's own DNS, and the old province's domain beside the new one.
	sed -i "s|^base_dir = .*|&\ndns_zone_file = $run/zone|
		s|^official_suffixes = .*|& trason.example|" "$conf"
fi

# The supervisor leads a session of its own, so that it outlives this shell and nothing else.
setsid "$congvu" --conf "$conf" serve > "$run/serve.log" 2>&1 < /dev/null &
printf '%s\n' $! > "$run/serve.pid"
for ((i = 0; ; i++)); do
	! "$congvu" status > /dev/null 2>&1 || break
	[[ $i -lt 300 ]] && demo_pid > /dev/null || {
		tail -20 "$run/serve.log" >&2
		die "the services did not start; the log is $run/serve.log"
	}
	sleep 0.1
done
pid=$(demo_pid)

set_password() { # address password
	printf '%s\n' "$2" | "$congvu" account passwd "$1" \
		--allow-weak > /dev/null
}

if [[ -n $first ]]; then
	/usr/bin/python3 "$root/conf/demo/province.py" "$run/lists" $full
	"$congvu" domain add trason.example --alias-of $domain > /dev/null
	/usr/bin/python3 "$root/conf/demo/agencies.py" "$run/run/imapd.ctl" "$run/lists/agencies.csv"
	pass1=$(openssl rand -base64 15 | tr '+/' '-_')
	pass2=$(openssl rand -base64 15 | tr '+/' '-_')
	# Day 0: those who have an address, the two people whose log-ins are shown among them; the
	# others stand in lists/staff.csv. What all did before comes along from the older system.
	"$congvu" import "$run/lists/day0.csv" --rejects "$run/lists/rejected.csv" > "$run/import.txt" || [[ $? == 2 ]]
	grep -m1 '[0-9]* rows' "$run/import.txt" || tail -1 "$run/import.txt"
	set_password $user1 "$pass1"
	set_password $user2 "$pass2"
	"$congvu" report import-use "$run/lists/use.csv"
	umask 077
	cat > "$env_file" <<END
DEMO_HOST=127.0.0.1
DEMO_MX_PORT=2525
DEMO_SUBMISSION_PORT=2587
DEMO_SUBMISSIONS_PORT=2465
DEMO_IMAP_PORT=2143
DEMO_IMAPS_PORT=2993
DEMO_POP3_PORT=2110
DEMO_POP3S_PORT=2995
DEMO_CONF=$conf
DEMO_CONGVU=$congvu
DEMO_DOMAIN=$domain
DEMO_USER1=$user1
DEMO_PASS1=$pass1
DEMO_USER2=$user2
DEMO_PASS2=$pass2
DEMO_CA=$run/keys/ca.pem
DEMO_DIRECTORY=$run/directory
DEMO_PID=$pid
END
	umask 022
	/usr/bin/python3 "$root/conf/demo/letters.py" "$env_file"
	"$congvu" directory publish --out "$run/directory" > "$run/publish.txt"
	touch "$run/ready"
else
	sed -i "s|^DEMO_PID=.*|DEMO_PID=$pid|; s|^DEMO_CONGVU=.*|DEMO_CONGVU=$congvu|" "$env_file"
fi
say "Ready after $((SECONDS - begin)) s."
say
exec "$(dirname "$0")/status.sh"
