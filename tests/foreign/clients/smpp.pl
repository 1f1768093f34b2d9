# foreign: name = "net-smpp"
# foreign: what = "Perl module Net::SMPP: parts with headers, receipts, query_sm"
# foreign: needs = ["perl:Net::SMPP"]
# foreign: debian = ["libnet-smpp-perl"]
# foreign: server = { HELIOGRAPH_SMPP_LISTEN = "127.0.0.1:25263" }
# The Perl module Net::SMPP: a transmitter that sends the parts, then a receiver that waits for their receipts.
use strict;
use warnings;
use utf8;
use Encode qw(decode encode);
use IO::Socket::INET;
use Net::SMPP;

my ($url, $login, $password, undef, $phone) = @ARGV;
my ($host, $port) = $url =~ m{//([^:/]+):(\d+)};
binmode STDOUT, ':utf8';
$| = 1;
alarm 60;

sub say_it {
    my ($operation, $ok, $detail) = @_;
    $detail =~ s/\s+/ /g;
    printf "%s\t%s\t%s\n", $operation, $ok ? 'ok' : 'differs', $detail;
}

my %door = (port => 25263, system_id => $login, password => $password, timeout => 10);
my $mes = 'Ваш заказ 1512 собран и ждёт вас по адресу: Тверская улица, дом 7, с 9 до 21 часа. ' x 2;

my (undef, $refused) = Net::SMPP->new_transmitter('127.0.0.1', %door, password => 'wrong');
say_it('wrong password', $refused && $refused->{status} == 0x0E, $refused ? $refused->explain_status : 'no answer');

my ($out, $bound) = Net::SMPP->new_transmitter('127.0.0.1', %door);
die "no bind\n" unless $bound && $bound->{status} == 0;
my @parts = $mes =~ /.{1,67}/gs;
my @ids;
for my $step (0 .. $#parts) {
    my $header = pack 'C6', 5, 0, 3, 200, scalar @parts, $step + 1;
    my $answer = $out->submit_sm(
        source_addr_ton => 5, source_addr => 'DEMO', dest_addr_ton => 1, dest_addr_npi => 1, destination_addr => $phone,
        esm_class => 0x40, data_coding => 8, registered_delivery => 1,
        short_message => $header . encode('UTF-16BE', $parts[$step]),
    ) or die "no answer to a part\n";
    push @ids, $answer->{message_id} if $answer->{status} == 0;
}
say_it('parts', @ids == 3, "@ids");

my ($in) = Net::SMPP->new_receiver('127.0.0.1', %door);
my %receipts;
while (keys %receipts < @ids) {
    my $pdu = $in->read_pdu or die "the session of receipts ended\n";
    if ($pdu->{cmd} == Net::SMPP::CMD_enquire_link) { $in->enquire_link_resp(seq => $pdu->{seq}); next }
    next unless $pdu->{cmd} == Net::SMPP::CMD_deliver_sm;
    $in->deliver_sm_resp(seq => $pdu->{seq}, message_id => '');
    my ($id, $state) = $pdu->{short_message} =~ /^id:(\d+) sub:001 .* stat:(\w+) err:000/;
    my $same = defined $id && $pdu->{esm_class} == 4 && unpack('Z*', $pdu->{receipted_message_id}) eq $id;
    $receipts{$id // $pdu->{seq}} = $same ? $state : $pdu->{short_message};
}
my $told = join ' ', map { "$_ " . ($receipts{$_} // 'none') } @ids;
say_it('receipts', $told eq join(' ', map { "$_ DELIVRD" } @ids), $told);

my $state = $out->query_sm(message_id => $ids[-1], source_addr_ton => 5, source_addr => 'DEMO');
say_it('query_sm', $state && $state->{message_state} == 2, $state ? $state->{message_state} : 'no answer');
$_->unbind for $in, $out;

my $http = IO::Socket::INET->new(PeerAddr => $host, PeerPort => $port, Timeout => 10) or die "no connection\n";
print $http "GET /sys/status.php?login=$login&psw=$password&phone=$phone&id=$ids[0]&all=1&charset=utf-8 HTTP/1.0\r\n\r\n";
my $status = decode('UTF-8', join '', <$http>);
say_it('the whole text', index($status, $mes) > 0, $status);
