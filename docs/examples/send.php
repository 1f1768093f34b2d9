<?php
// Sends a text, waits for its status and prints the balance.
//
//     php send.php [NUMBER]
//
// HELIOGRAPH_CLIENT_URL, _LOGIN and _PASSWORD say where and as whom; without them it is the demo, ./dev serve --demo.
declare(strict_types=1);

function setting(string $name, string $default): string
{
    $value = getenv("HELIOGRAPH_CLIENT_$name");
    return $value === false || $value === '' ? $default : $value;
}

// One request: a POST form, so that the password stands in no log; JSON back, HTTP status 200 with errors, too.
function ask(string $page, array $params): array
{
    $form = http_build_query($params + [
        'login' => setting('LOGIN', 'demo'),
        'psw' => setting('PASSWORD', 'demo'),
        'charset' => 'utf-8',
        'fmt' => 3,
    ]);
    $options = ['method' => 'POST', 'header' => 'Content-Type: application/x-www-form-urlencoded', 'content' => $form, 'timeout' => 30];
    $url = rtrim(setting('URL', 'http://127.0.0.1:8080'), '/') . "/sys/$page.php";
    $body = @file_get_contents($url, false, stream_context_create(['http' => $options]));
    if ($body === false || $body === '') {
        throw new RuntimeException("no answer from $url");
    }
    $answer = json_decode($body, true, 512, JSON_THROW_ON_ERROR);
    if (isset($answer['error_code'])) {
        throw new RuntimeException("error {$answer['error_code']}: {$answer['error']}");
    }
    return $answer;
}

try {
    $phone = $argv[1] ?? '79161234567';
    $sent = ask('send', ['phones' => $phone, 'mes' => 'Ваш заказ собран, ждём вас до 21:00']);
    echo "sent: id {$sent['id']}\n";
    $status = ['status' => -1, 'status_name' => ''];
    // One message's status may be asked for five times a minute.
    foreach ([1, 3, 6, 15, 30] as $pause) {
        sleep($pause);
        $status = ask('status', ['phone' => $phone, 'id' => $sent['id'], 'all' => 1]);
        if ($status['status'] > 0) {
            break;
        }
    }
    echo "status: {$status['status']} {$status['status_name']}\n";
    $balance = ask('balance', ['cur' => 1]);
    echo "balance: {$balance['balance']} {$balance['currency']}\n";
} catch (Throwable $error) {
    fwrite(STDERR, "it did not work: {$error->getMessage()}\n");
    exit(1);
}
