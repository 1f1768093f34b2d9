#!/bin/sh
# foreign: name = "swaks"
# foreign: what = "Swiss army knife for SMTP: letters from a shell script"
# foreign: needs = ["swaks"]
# foreign: debian = ["swaks"]
# foreign: server = { HELIOGRAPH_SMTP_LISTEN = "127.0.0.1:25252" }
# As system administrators test a mail server: one letter by command, and what the server says.
set -u
url=$1 login=$2 psw=$3 phone=$5
bring() {
    to=$1
    shift
    swaks --server 127.0.0.1:25252 --from cron@example.ru --to "$to" "$@" 2>&1
}
say() { printf '%s\t%s\t%s\n' "$1" "$2" "$(printf '%s' "$3" | tr '\t\n' '  ' | cut -c1-150)"; }

told=$(bring send@example.ru --header 'Content-Type: text/plain; charset=utf-8' --body "$login:$psw:601:0:0,0,:$phone:Диск полон: 99 %")
case $told in *"250 2.0.0 taken"*) say letter ok taken ;; *) say letter differs "$told" ;; esac

status=$(curl -s "$url/sys/status.php?login=$login&psw=$psw&id=601&phone=$phone&all=1&fmt=3&charset=utf-8")
case $status in *"Диск полон: 99 %"*) say text ok "$status" ;; *) say text differs "$status" ;; esac

told=$(bring nobody@example.ru --body hello)
case $told in *"550 5.1.1"*) say "address that is none" ok refused ;; *) say "address that is none" differs "$told" ;; esac
