#!/bin/sh
# Sends a text, waits for its status and prints the balance, with curl and sed.
#
#     sh send.sh [NUMBER]
#
# HELIOGRAPH_CLIENT_URL, _LOGIN and _PASSWORD say where and as whom; without them it is the demo, ./dev serve --demo.
set -eu

url=${HELIOGRAPH_CLIENT_URL:-http://127.0.0.1:8080}
export HELIOGRAPH_CLIENT_LOGIN="${HELIOGRAPH_CLIENT_LOGIN:-demo}"
export HELIOGRAPH_CLIENT_PASSWORD="${HELIOGRAPH_CLIENT_PASSWORD:-demo}"
phone=${1:-79161234567}

# ask PAGE NAME=VALUE...: one request, the answer as text lines. The password goes by standard input, where the list of
# processes does not show it.
ask() {
    page=$1
    shift
    for pair in "$@"; do
        set -- "$@" --data-urlencode "$pair"
        shift
    done
    answer=$(printf '%s' "$HELIOGRAPH_CLIENT_PASSWORD" | curl -sS --max-time 30 "${url%/}/sys/$page.php" "$@" \
        --data-urlencode "login=$HELIOGRAPH_CLIENT_LOGIN" --data-urlencode psw@- --data charset=utf-8 --data "fmt=${fmt:-0}")
    case "$answer" in
        "ERROR = "* | "" | *'"error_code"'*)
            echo "it did not work: ${answer:-no answer}" >&2
            exit 1
            ;;
    esac
}

ask send "phones=$phone" "mes=Ваш заказ собран, ждём вас до 21:00"
id=${answer##*ID - } # OK - 1 SMS, ID - 15
echo "sent: id $id"

fmt=3
for pause in 1 3 6 15 30; do # one message's status may be asked for five times a minute
    sleep "$pause"
    ask status "phone=$phone" "id=$id" all=1
    status=$(printf '%s' "$answer" | sed 's/.*"status": *\(-*[0-9]*\).*/\1/')
    name=$(printf '%s' "$answer" | sed 's/.*"status_name": *"\([^"]*\)".*/\1/')
    [ "$status" -le 0 ] || break
done
echo "status: $status $name"

fmt=0
ask balance cur=1
echo "balance: $answer"
