<?php
// foreign: name = "php-soap"
// foreign: what = "PHP's SoapClient"
// foreign: needs = ["php:soap"]
// foreign: debian = ["php-soap"]
// PHP's own SoapClient, as the reference's examples use it: methods and classes come from the description.
declare(strict_types=1);

[, $url, $login, $password, $key, $phone] = $argv;
$who = ['login' => $login, 'psw' => $password];
$text = str_repeat('Съешь ещё этих мягких французских булок & <чаю>. ', 8);

function say(string $operation, bool $ok, mixed $detail): void
{
    $shown = is_string($detail) ? $detail : json_encode($detail, JSON_UNESCAPED_UNICODE);
    printf("%s\t%s\t%s\n", $operation, $ok ? 'ok' : 'differs', str_replace(["\n", "\t"], ['\n', ' '], substr($shown, 0, 150)));
}

ini_set('soap.wsdl_cache_enabled', '0');
$client = new SoapClient("$url/sys/soap.php?wsdl");
say('description', count($client->__getFunctions()) === 7, implode(' ', $client->__getFunctions()));

$before = $client->get_balance($who)->balanceresult;
say('get_balance', (float) $before->balance > 0 && $before->error == 0, $before);

$price = $client->get_sms_cost($who + ['phones' => $phone, 'mes' => $text])->costresult;
say('get_sms_cost', (float) $price->cost > 0 && $price->cnt == 6 && $price->error == 0, $price);

$cheaper = $client->get_sms_cost2($who + ['phones' => $phone, 'mes' => $text, 'query' => 'translit=1'])->costresult;
say('get_sms_cost2, query', (float) $cheaper->cost < (float) $price->cost, $cheaper);

$sent = $client->send_sms($who + ['phones' => $phone, 'mes' => $text, 'id' => '', 'sender' => 'DEMO', 'time' => 0])->sendresult;
say('send_sms', $sent->id > 0 && $sent->cost === $price->cost && $sent->cnt == 6 && $sent->error == 0, $sent);

$second = $client->send_sms2(['apikey' => $key, 'phones' => "$phone,12", 'mes' => 'Hi', 'tinyurl' => 1, 'query' => 'translit=1&err=1']);
$second = $second->sendresult;
say('send_sms2, key, errors', $second->id > $sent->id && $second->errors->phone === '12', $second);

sleep(4); // the demo's carrier tells within 3 s
$status = $client->get_status($who + ['phone' => $phone, 'id' => $sent->id, 'all' => '2'])->statusresult;
say('get_status, all=2', $status->status === '1' && $status->message === $text && $status->operator !== '' && $status->error === '0', $status);

$short = $client->get_status2($who + ['phone' => $phone, 'id' => $sent->id, 'all' => '0', 'query' => ''])->statusresult;
say('get_status2', $short->status === '1' && $short->err === '0' && !isset($short->message), $short);

$nothing = $client->get_status($who + ['phone' => $phone, 'id' => '1999999999'])->statusresult;
say('status of nothing', $nothing->error === '3', $nothing);

$wrong = $client->get_balance(['login' => $login, 'psw' => 'wrong'])->balanceresult;
say('wrong password', $wrong->error === '2' && !isset($wrong->balance), $wrong);

$after = $client->get_balance($who)->balanceresult->balance;
$spent = (float) $sent->cost + (float) $second->cost;
say('balance after', abs((float) $before->balance - (float) $after - $spent) < 0.005, "$before->balance - $spent = $after");

$newer = new SoapClient("$url/sys/soap.php?wsdl", ['soap_version' => SOAP_1_2]);
say('SOAP 1.2', $newer->get_balance($who)->balanceresult->balance === $after, $after);

try {
    $odd = new SoapClient(null, ['location' => "$url/sys/soap.php", 'uri' => 'urn:x']);
    say('fault', false, $odd->no_such_method());
} catch (SoapFault $fault) {
    say('fault', str_contains($fault->getMessage(), 'no method'), $fault->getMessage());
}
