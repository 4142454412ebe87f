// SPDX-License-Identifier: Apache-2.0

// A Go program as unmodified servers are: its own runtime, direct system
// calls, threads that preempt each other by signal.
//
//	hello_go PORT       serves "hello from go\n" on that port
//	hello_go -selftest  goroutines, timers, HTTP over loopback, os/exec; TAP
package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const greeting = "hello from go\n"

var count, failed int

func ok(good bool, name string) {
	count++
	if good {
		fmt.Printf("ok %d - %s\n", count, name)
	} else {
		failed++
		fmt.Printf("not ok %d - %s\n", count, name)
	}
}

func hello(w http.ResponseWriter, _ *http.Request) {
	io.WriteString(w, greeting)
}

func goroutines() {
	var wg sync.WaitGroup
	var sum int64
	c := make(chan int)
	for i := 0; i < 1000; i++ {
		wg.Add(1)
		go func(i int) {
			defer wg.Done()
			atomic.AddInt64(&sum, int64(i))
			c <- i
		}(i)
	}
	got := 0
	for i := 0; i < 1000; i++ {
		got += <-c
	}
	wg.Wait()
	ok(sum == 499500 && got == 499500, "a thousand goroutines")
	threads := make(chan int)
	for i := 0; i < 20; i++ {
		go func() {
			runtime.LockOSThread()
			threads <- syscall.Gettid()
		}()
	}
	for i := 0; i < 20; i++ {
		<-threads
	}
	ok(true, "twenty threads came and went")
}

// A loop without calls can only be stopped by a signal.
func preemption() {
	old := runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(old)
	var stop int32
	done := make(chan bool)
	go func() {
		x := uint64(1)
		for n := 0; ; n++ {
			x = x*2862933555777941757 + 3037000493
			if x == 0 {
				break
			}
			if n%1000000 == 0 && atomic.LoadInt32(&stop) != 0 {
				break
			}
		}
		done <- true
	}()
	time.Sleep(time.Millisecond)
	atomic.StoreInt32(&stop, 1)
	<-done
	ok(true, "a busy loop is preempted")
}

func timers() {
	start := time.Now()
	<-time.After(5 * time.Millisecond)
	ok(time.Since(start) >= 5*time.Millisecond, "time.After")
	tick := time.NewTicker(time.Millisecond)
	for i := 0; i < 5; i++ {
		<-tick.C
	}
	tick.Stop()
	ok(time.Since(start) >= 10*time.Millisecond, "a ticker")
	ok(start.Year() >= 2020, "the date")
}

func memory() {
	keep := make([][]byte, 0, 100)
	for i := 0; i < 100; i++ {
		b := make([]byte, 1<<20)
		b[i] = byte(i)
		keep = append(keep, b)
	}
	runtime.GC()
	good := true
	for i, b := range keep {
		good = good && b[i] == byte(i)
	}
	keep = nil
	debug.FreeOSMemory()
	ok(good, "a hundred megabytes and a collection")
	defer func() {
		ok(recover() != nil, "a nil pointer is a panic")
	}()
	var p *int
	fmt.Println(*p)
}

func web() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		ok(false, "listen: "+err.Error())
		return
	}
	srv := &http.Server{Handler: http.HandlerFunc(hello)}
	go srv.Serve(l)
	var wg sync.WaitGroup
	var good int32
	for i := 0; i < 20; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for j := 0; j < 10; j++ {
				r, err := http.Get("http://" + l.Addr().String())
				if err != nil {
					return
				}
				b, _ := io.ReadAll(r.Body)
				r.Body.Close()
				if string(b) == greeting {
					atomic.AddInt32(&good, 1)
				}
			}
		}()
	}
	wg.Wait()
	ok(good == 200, "two hundred requests over loopback")
	ok(srv.Close() == nil, "the server closes")
	_, err = net.DialTimeout("tcp", l.Addr().String(), time.Second)
	ok(err != nil, "and refuses then")
}

func programs() {
	out, err := exec.Command("/bin/sh", "-c", "echo $0 $1", "a", "b").Output()
	ok(err == nil, "os/exec runs")
	ok(string(out) == "a b\n", "its output")
	cmd := exec.Command("/bin/cat")
	cmd.Stdin = strings.NewReader(strings.Repeat("x", 200000))
	var buf bytes.Buffer
	cmd.Stdout = &buf
	ok(cmd.Run() == nil && buf.Len() == 200000, "200,000 bytes through cat")
	err = exec.Command("/bin/sh", "-c", "exit 7").Run()
	e, is := err.(*exec.ExitError)
	ok(is && e.ExitCode() == 7, "an exit status")
	_, err = exec.LookPath("surely-not-there")
	ok(err != nil, "nothing by that name")
	cmd = exec.Command("/bin/cat")
	in, _ := cmd.StdinPipe()
	cmd.Start()
	cmd.Process.Kill()
	err = cmd.Wait()
	in.Close()
	ok(err != nil && err.Error() == "signal: killed", "killed")
}

func files() {
	dir, err := os.MkdirTemp("", "guest")
	if err != nil {
		ok(false, "a directory")
		return
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "f")
	ok(os.WriteFile(name, []byte("data"), 0o600) == nil, "write a file")
	b, _ := os.ReadFile(name)
	ok(string(b) == "data", "read it")
	entries, _ := os.ReadDir(dir)
	ok(len(entries) == 1 && entries[0].Name() == "f", "list it")
	_, err = os.Open(filepath.Join(dir, "none"))
	ok(os.IsNotExist(err), "what is not there")
	exe, err := os.Executable()
	ok(err == nil && strings.HasPrefix(exe, "/"), "os.Executable")
}

func signals() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGUSR1)
	syscall.Kill(syscall.Getpid(), syscall.SIGUSR1)
	ok(<-c == syscall.SIGUSR1, "a signal on a channel")
	signal.Stop(c)
}

func selftest() int {
	goroutines()
	preemption()
	timers()
	memory()
	web()
	programs()
	files()
	signals()
	fmt.Printf("1..%d\n", count)
	if failed > 0 {
		return 1
	}
	return 0
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: hello_go PORT | -selftest")
		os.Exit(2)
	}
	if os.Args[1] == "-selftest" {
		time.AfterFunc(time.Minute, func() { os.Exit(99) })
		os.Exit(selftest())
	}
	http.HandleFunc("/", hello)
	if err := http.ListenAndServe(":"+os.Args[1], nil); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
