# SPDX-License-Identifier: Apache-2.0
# What Perl does with a kernel: fork, pipes, sockets, signals, files. Its
# output is the same wherever Linux is.
use strict;
use warnings;
use IO::Handle;
use IO::Poll qw(POLLIN);
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use IPC::Open3;
use POSIX qw(:sys_wait_h :signal_h);
use Fcntl qw(:flock :seek);
use File::Temp qw(tempdir);
use Time::HiRes qw(ualarm);

$| = 1;
my $dir = tempdir(CLEANUP => 0);
my $root = $$;

print "== fork\n";
my @children = map {
	my $n = $_;
	my $pid = fork() // die "fork: $!";
	exit $n if $pid == 0;
	$pid;
} 1 .. 10;
my $sum = 0;
for (@children) {
	waitpid($_, 0);
	$sum += $? >> 8;
}
print "sum $sum, none left: ", waitpid(-1, WNOHANG), "\n";
print "system ", system('sh', '-c', 'exit 3') >> 8, ", backticks ", `echo hello`;

print "== pipes\n";
pipe(my $r, my $w) or die;
if (!fork) {
	close $r;
	print $w "line $_\n" for 1 .. 20000;
	close $w;
	POSIX::_exit(0);
}
close $w;
my $lines = () = <$r>;
wait;
print "$lines lines\n";
open(my $sort, '|-', 'sort -n | tail -n 1') or die;
print $sort "$_\n" for reverse 1 .. 5000;
close $sort;
open(my $from, '-|', 'seq', 1, 5) or die;
print join(',', map { chomp; $_ } <$from>), "\n";
close $from;
my $pid = open3(my $in, my $out, undef, 'sh', '-c', 'cat; echo error >&2');
print $in "through\n";
close $in;
print sort <$out>;
waitpid($pid, 0);
{
	local $SIG{PIPE} = sub { print "sigpipe\n" };
	pipe(my $a, my $b);
	close $a;
	syswrite($b, 'x') // print "$!\n";
}

print "== signals\n";
my $got = 0;
$SIG{USR1} = sub { $got++ };
kill USR1 => $$ for 1 .. 5;
print "got $got\n";
eval {
	local $SIG{ALRM} = sub { die "alarm\n" };
	ualarm 10000;
	pipe(my $a, my $b);
	sysread($a, my $x, 1);
};
print "interrupted by $@";
my $reaped = 0;
$SIG{CHLD} = sub { $reaped++ while waitpid(-1, WNOHANG) > 0 };
my $block = POSIX::SigSet->new(SIGCHLD);
my $old = POSIX::SigSet->new;
sigprocmask(SIG_BLOCK, $block, $old);
fork || POSIX::_exit(0) for 1 .. 5;
sigsuspend($old) while $reaped < 5;
sigprocmask(SIG_SETMASK, $old);
print "reaped $reaped\n";
$SIG{CHLD} = 'DEFAULT';
$pid = fork;
if (!$pid) { kill STOP => $$; POSIX::_exit(4) }
waitpid($pid, WUNTRACED);
print "stopped ", WIFSTOPPED(${^CHILD_ERROR_NATIVE}) ? 1 : 0, "\n";
kill CONT => $pid;
waitpid($pid, 0);
print "exit ", $? >> 8, "\n";
$pid = fork;
if (!$pid) { kill KILL => $$; sleep 100 }
waitpid($pid, 0);
print "signal ", $? & 127, "\n";

print "== sockets\n";
my $server = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1')
	or die "listen: $@";
if (!fork) {
	for (1 .. 3) {
		my $c = $server->accept;
		while (<$c>) { print $c scalar reverse }
	}
	POSIX::_exit(0);
}
my @clients = map {
	IO::Socket::INET->new(PeerAddr => '127.0.0.1',
			      PeerPort => $server->sockport) or die
} 1 .. 3;
for my $n (0 .. 2) {
	print { $clients[$n] } "client$n\n";
	shutdown $clients[$n], 1;
	print grep { /\S/ } map { "$_\n" } split /\n/, join('', readline $clients[$n]);
}
wait;
my $path = "$dir/sock";
my $unix = IO::Socket::UNIX->new(Local => $path, Listen => 1) or die;
if (!fork) {
	my $c = IO::Socket::UNIX->new(Peer => $path) or die;
	print $c 'x' x 100000;
	POSIX::_exit(0);
}
my $peer = $unix->accept;
my $data = do { local $/; <$peer> };
wait;
print length $data, "\n";
my $udp = IO::Socket::INET->new(Proto => 'udp', LocalAddr => '127.0.0.1');
my $tx = IO::Socket::INET->new(Proto => 'udp', PeerAddr => '127.0.0.1',
			       PeerPort => $udp->sockport);
$tx->send("datagram $_") for 1 .. 3;
for (1 .. 3) { $udp->recv(my $buf, 100); print "$buf\n" }
my $sel = IO::Select->new($udp);
print "ready ", scalar($sel->can_read(0.01)), "\n";
$tx->send('more');
print "ready ", scalar($sel->can_read(5)), "\n";

print "== files\n";
open(my $f, '+>', "$dir/file") or die;
print $f "line $_\n" for 1 .. 1000;
$f->flush;
seek $f, 0, SEEK_SET;
my @all = <$f>;
print scalar(@all), ' ', -s "$dir/file", "\n";
flock($f, LOCK_EX) or die;
if (!fork) {
	open(my $g, '<', "$dir/file");
	print flock($g, LOCK_EX | LOCK_NB) ? "locked\n" : "busy: $!\n";
	POSIX::_exit(0);
}
wait;
mkdir "$dir/sub";
rename "$dir/file", "$dir/sub/moved";
symlink 'sub/moved', "$dir/link";
print -l "$dir/link" ? readlink("$dir/link") : 'no', "\n";
opendir(my $d, $dir);
print join(' ', sort grep { !/^\./ } readdir $d), "\n";
printf "%o\n", (stat "$dir/link")[2];
chmod 0600, "$dir/link";
printf "%o\n", (stat "$dir/link")[2];
utime 5, 6, "$dir/link";
print +(stat "$dir/link")[9], "\n";
unlink "$dir/none" or print "$!\n";
truncate "$dir/link", 5;
print -s "$dir/link", "\n";
system 'rm', '-r', $dir;
print "the same process\n" if $root == $$;
