# foreign: name = "perl"
# foreign: what = "Perl: HTTP/1.0, fmt=0, SHA-1, key as password"
# An old Perl script: HTTP/1.0 without Host, fmt=0, the SHA-1 of the password, an API key as password of nobody, koi8-r.
use strict;
use warnings;
use utf8;
use Digest::SHA qw(sha1_hex);
use Encode qw(encode decode);
use IO::Socket::INET;

my ($url, $login, $password, $key, $phone) = @ARGV;
my ($host, $port) = $url =~ m{//([^:/]+):(\d+)};
binmode STDOUT, ':utf8';
$| = 1;

sub say_it {
    my ($operation, $ok, $detail) = @_;
    $detail =~ s/\n/\\n/g;
    printf "%s\t%s\t%s\n", $operation, $ok ? 'ok' : 'differs', $detail;
}

sub ask {
    my ($script, %params) = @_;
    my @pairs;
    for my $name (sort keys %params) {
        my $value = $params{$name};
        $value =~ s/([^A-Za-z0-9_.-])/sprintf '%%%02X', ord $1/ge;
        push @pairs, "$name=$value";
    }
    my $socket = IO::Socket::INET->new(PeerAddr => $host, PeerPort => $port, Timeout => 10) or die "no connection\n";
    print $socket 'GET /sys/', $script, '.php?', join('&', @pairs), " HTTP/1.0\r\n\r\n";
    local $/;
    my $answer = <$socket>;
    my ($head, $body) = split /\r\n\r\n/, $answer, 2;
    die "status: $head\n" unless $head =~ m{^HTTP/1\.[01] 200 };
    return $body;
}

my %hashed = (login => $login, psw => sha1_hex($password));
my %keyed = (login => '', psw => $key);
my $mes = 'Привет из старого скрипта';

my $balance = ask('balance', %hashed);
say_it('balance, SHA-1', scalar($balance =~ /^\d+(\.\d+)?\z/), $balance);

my $price = ask('send', %keyed, phones => $phone, mes => encode('koi8-r', $mes), charset => 'koi8-r', cost => 1);
say_it('price, key as password', scalar($price =~ /^[\d.]+ \(1 SMS\)\z/), $price);

my $sent = ask('send', %hashed, phones => $phone, mes => encode('koi8-r', $mes), charset => 'koi8_r', time => '0-24');
my ($id) = $sent =~ /^OK - 1 SMS, ID - (\d+)\z/;
say_it('send, koi8-r', defined $id, $sent);

my $own = 'Order-7_b.1';
my $mine = ask('send', %hashed, id => $own, phones => join("\n", $phone + 1, $phone + 2), mes => 'two lines of numbers');
say_it('send, own id', $mine eq "OK - 2 SMS, ID - $own", $mine);

my $list = ask('send', %hashed, list => ($phone + 3) . ":first\n" . ($phone + 4) . ':second');
say_it('send, list', scalar($list =~ /^OK - 2 SMS, ID - \d+\z/), $list);

my $error = ask('send', %hashed, phones => $phone);
say_it('error', scalar($error =~ /^ERROR = 1 \([^()]+\)\z/), $error);

my $twice = ask('send', %hashed, phones => $phone, mes => encode('koi8-r', $mes), charset => 'koi8-r');
say_it('error, sent twice', scalar($twice =~ /^ERROR = 9 \([^()]+\)/), $twice);

sleep 4;    # the demo's carrier tells within 3 s
my $status = ask('status', %hashed, phone => $phone, id => $id // 0, all => 1, charset => 'koi8-r');
$status = decode('koi8-r', $status);
say_it('status', scalar($status =~ /^Status = 1, check_time = \d\d\.\d\d\.\d{4} \d\d:\d\d:\d\d, /), $status);
say_it('status, text', index($status, $mes) > 0, $status);
