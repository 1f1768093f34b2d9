<?php
// foreign: name = "php"
// foreign: what = "PHP shop as usual: fmt=1, socket, windows-1251"
// What a PHP shop does: values with commas (fmt=1) over a plain socket with Connection: Close, text in windows-1251,
// POST only when the address is long, multipart when there are files. The answer is all that follows the first blank line.
declare(strict_types=1);

[, $url, $login, $password, , $phone] = $argv;
$host = parse_url($url, PHP_URL_HOST);
$port = parse_url($url, PHP_URL_PORT);

function say(string $operation, bool $ok, mixed $detail): void
{
    $shown = is_string($detail) ? $detail : implode(' | ', $detail);
    $shown = iconv('windows-1251', 'utf-8//IGNORE', $shown);
    printf("%s\t%s\t%s\n", $operation, $ok ? 'ok' : 'differs', str_replace(["\n", "\t"], ['\n', ' '], $shown));
}

function talk(string $request): string
{
    global $host, $port;
    $socket = fsockopen($host, $port, $number, $text, 10) or exit(1);
    stream_set_timeout($socket, 10);
    fwrite($socket, $request);
    $answer = stream_get_contents($socket);
    fclose($socket);
    return explode("\r\n\r\n", $answer, 2)[1] ?? '';
}

function ask(string $script, array $params, array $files = []): string
{
    global $login, $password, $host, $port;
    $query = http_build_query(['login' => $login, 'psw' => $password, 'fmt' => 1] + $params);
    $path = "/sys/$script.php";
    $head = "Host: $host:$port\r\nUser-Agent: shop\r\nConnection: Close\r\n";
    if ($files) {
        $line = 'part' . bin2hex(random_bytes(8));
        $body = '';
        foreach ($files as $name => $content) {
            $body .= "--$line\r\nContent-Disposition: form-data; name=\"$name\"\r\n\r\n$content\r\n";
        }
        $body .= "--$line--\r\n";
        $type = "multipart/form-data; boundary=$line";
        return talk("POST $path?$query HTTP/1.1\r\n{$head}Content-Type: $type\r\nContent-Length: " . strlen($body) . "\r\n\r\n$body");
    }
    if (strlen($query) > 2000) {
        $type = 'application/x-www-form-urlencoded';
        return talk("POST $path HTTP/1.1\r\n{$head}Content-Type: $type\r\nContent-Length: " . strlen($query) . "\r\n\r\n$query");
    }
    return talk("GET $path?$query HTTP/1.1\r\n$head\r\n");
}

function cp1251(string $text): string
{
    return iconv('utf-8', 'windows-1251', $text);
}

// What such a library always adds.
$usual = ['translit' => 0, 'time' => 0, 'id' => 0, 'sender' => '', 'tz' => '', 'period' => 0, 'freq' => 0];
$text = cp1251('Заказ №15: 1,5 кг, 300 руб., спасибо');

$balance = explode(',', ask('balance', ['cur' => 1]));
say('balance, one value', count($balance) === 1 && preg_match('/^\d+(\.\d+)?$/', $balance[0]) === 1, $balance);

$price = explode(',', ask('send', ['cost' => 1, 'phones' => $phone, 'mes' => $text] + $usual));
say('price, two values', count($price) === 2 && (float) $price[0] > 0 && $price[1] === '1', $price);

$sent = explode(',', ask('send', ['cost' => 3, 'phones' => $phone, 'mes' => $text] + $usual));
say('send, four values', count($sent) === 4 && $sent[1] > '0' && $sent[2] === $price[0], $sent);

$other = (string) ((int) $phone + 1);
$mass = explode(',', ask('send', ['cost' => 3, 'phones' => "$phone;$other", 'mes' => str_repeat(cp1251('Ж'), 700)] + $usual));
say('send, long: by POST', count($mass) === 4 && $mass[1] === '22', $mass);

$file = explode(',', ask('send', ['cost' => 3] + $usual, ['phones' => $other, 'mes' => cp1251('из части тела')]));
say('send, multipart', count($file) === 4 && $file[1] === '1', $file);

$hlr = explode(',', ask('send', ['cost' => 3, 'phones' => $phone, 'mes' => '', 'hlr' => 1] + $usual));
say('send, HLR', count($hlr) === 4 && $hlr[1] === '1', $hlr);

$wrong = explode(',', ask('send', ['phones' => '', 'mes' => 'nobody']));
say('error, 0 and -N', count($wrong) === 2 && $wrong[0] === '0' && $wrong[1] === '-1', $wrong);

sleep(4); // the demo's carrier tells within 3 s
$short = explode(',', ask('status', ['phone' => $phone, 'id' => $sent[0]]));
say('status, three values', count($short) === 3 && $short[0] === '1' && $short[1] > '0' && $short[2] === '0', $short);

$full = explode(',', ask('status', ['phone' => $phone, 'id' => $sent[0], 'all' => 1]), 9);
say('status, all=1', count($full) === 9 && $full[8] === $text, $full);

$most = explode(',', ask('status', ['phone' => $phone, 'id' => $sent[0], 'all' => 2]), 12);
say('status, all=2', count($most) === 12 && $most[11] === $text, $most);

$looked = explode(',', ask('status', ['phone' => $phone, 'id' => $hlr[0], 'all' => 1]));
say('status, HLR', ($looked[14] ?? '') === 'HLR', $looked);

$nothing = explode(',', ask('status', ['phone' => $phone, 'id' => '1999999999']));
say('status of nothing', count($nothing) === 3 && $nothing[0] === '-3' && $nothing[1] === '0', $nothing);

$list = ask('status', ['phone' => "$phone,$other", 'id' => "$sent[0],$file[0]"]);
$rows = array_map(fn ($row) => explode(',', $row), explode("\n", $list));
$ids = array_column($rows, 3);
say('status, list', count($rows) === 2 && $ids === [$sent[0], $file[0]] && $rows[1][4] === $other, $list);

$again = ask('status', ['phone' => "$phone,$other", 'id' => "$sent[0],$file[0]"]);
say('status, list too often', substr($again, 2, 1) === '-' && substr_count($again, ',') === 1, $again);

$after = ask('balance', []);
$spent = (float) $sent[2] + (float) $mass[2] + (float) $file[2] + (float) $hlr[2];
say('balance after', abs((float) $balance[0] - (float) $after - $spent) < 0.005, "$balance[0] - $spent = $after");
