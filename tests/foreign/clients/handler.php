<?php
// A client handler as the reference page sketches it: it tells the kinds apart by $_POST["mes"] and $_POST["waitcall"],
// checks the hashes with the secret, and writes what it understood as a line of JSON. Served by php -S.
$fields = $_POST;
$body = file_get_contents('php://input');
$type = $_SERVER['CONTENT_TYPE'] ?? $_SERVER['HTTP_CONTENT_TYPE'] ?? '';
if (str_starts_with($type, 'application/json')) {
    $fields = json_decode($body, true);
} elseif (str_starts_with($type, 'application/xml')) {
    // Without any extension: one level of elements in the charset that the declaration names.
    preg_match('/encoding="([\w-]+)"/', $body, $declared);
    preg_match_all('~<(\w+)>([^<]*)</\1>~', iconv($declared[1], 'UTF-8', $body), $pairs);
    $fields = array_map('html_entity_decode', array_combine($pairs[1], $pairs[2]));
}
preg_match('/charset=([\w-]+)/', $type, $found);
$charset = $found[1];
$form = str_starts_with($type, 'application/x-www-form-urlencoded');

if (isset($fields["mes"])) {
    $kind = "message";
    $parts = [$fields["phone"], $fields["mes"], $fields["to"]];
} elseif (isset($fields["waitcall"])) {
    $kind = "confirmation";
    $parts = [$fields["phone"], $fields["ts"]];
} else {
    $kind = "status";
    $parts = [$fields["id"], $fields["phone"], $fields["status"]];
}
$joined = implode(":", $parts) . ":" . "s3cret-Key_1";
// A form is in the charset of the address; what was read from JSON or XML is UTF-8.
$hashed = $form ? $joined : iconv('UTF-8', $charset, $joined);
$right = [];
foreach (['md5', 'sha1', 'crc32'] as $name) {
    if (isset($fields[$name])) {
        $right[$name] = (string)$fields[$name] === (string)$name($hashed);
    }
}
$signed = null;
if (isset($_SERVER['HTTP_X_HELIOGRAPH_SIGNATURE'])) {
    [$stamp, $mark] = explode(',', $_SERVER['HTTP_X_HELIOGRAPH_SIGNATURE']);
    $wanted = hash_hmac('sha256', substr($stamp, 2) . '.' . $body, 'key-of-sixteen-signs');
    // For a form PHP has the body as it came, too: php://input.
    $signed = hash_equals("v1=$wanted", $mark);
}
if ($form) {
    $fields = array_map(fn($value) => iconv($charset, 'UTF-8', $value), $fields);
}
$line = ['kind' => $kind, 'get' => $_GET, 'fields' => $fields, 'right' => $right, 'signed' => $signed];
file_put_contents(getenv('HANDLER_LOG'), json_encode($line) . "\n", FILE_APPEND | LOCK_EX);
echo 'OK';
