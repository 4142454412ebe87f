# SPDX-License-Identifier: Apache-2.0
# testfixture list.tcl DIRECTORY: the files of SQLite's suite "veryquick".
set testdir [lindex $argv 0]
set argv0 $testdir/list
set argv {}
source $testdir/permutations.test
foreach {key value} $testspec(veryquick) {
	if {$key ne "-files"} continue
	foreach file $value {puts "list [file tail $file]"}
}
exit 0
