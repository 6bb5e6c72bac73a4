package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/entrylab/entrylab/internal/need"
)

// slurmConf is a cluster of two nodes on this machine, without systemd and munge.
const slurmConf = `ClusterName=lab
SlurmctldHost=%[1]s(127.0.0.1)
SlurmctldPort=%[2]d
AuthType=auth/none
CredType=cred/none
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SlurmUser=%[3]s
SlurmdUser=%[3]s
StateSaveLocation=%[4]s/state
SlurmdSpoolDir=%[4]s/%%n
SlurmctldPidFile=%[4]s/slurmctld.pid
SlurmdPidFile=%[4]s/%%n.pid
SchedulerParameters=sched_interval=1,bf_interval=1
SelectType=select/cons_tres
ReturnToService=2
NodeName=m1 NodeHostname=%[1]s NodeAddr=127.0.0.1 Port=%[5]d CPUs=1 Feature=zen3
NodeName=m2 NodeHostname=%[1]s NodeAddr=127.0.0.1 Port=%[6]d CPUs=1 Feature=zen4
PartitionName=lab Nodes=m1,m2 Default=YES State=UP OverSubscribe=FORCE:2
`

// cluster starts Slurm and returns a function that runs one of its commands in dir.
func cluster(t *testing.T, dir string, env []string) func(args ...string) string {
	t.Helper()
	tools := map[string]string{
		"slurmctld": need.Tool(t, "slurmctld"), "slurmd": need.Tool(t, "slurmd"),
		"sbatch": need.Tool(t, "sbatch"), "sinfo": need.Tool(t, "sinfo"),
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	host, _, _ = strings.Cut(host, ".")
	who, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	for _, sub := range []string{"state", "m1", "m2"} {
		if err := os.Mkdir(filepath.Join(home, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	conf := filepath.Join(home, "slurm.conf")
	text := fmt.Sprintf(slurmConf, host, freePort(t), who.Username, home, freePort(t), freePort(t))
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	env = append(env, "SLURM_CONF="+conf)
	up, down := context.WithCancelCause(t.Context())
	daemon := func(name string, args ...string) {
		var said bytes.Buffer
		ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
		cmd := exec.CommandContext(ctx, tools[name], args...)
		cmd.Env, cmd.Stdout, cmd.Stderr = env, &said, &said
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
		cmd.WaitDelay = time.Minute
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() {
			err := cmd.Wait()
			down(fmt.Errorf("%s has ended: %w", name, err))
			close(ended)
		}()
		t.Cleanup(func() {
			cancel()
			<-ended
			if t.Failed() {
				t.Logf("%s: %s", name, said.String())
			}
		})
	}
	daemon("slurmctld", "-D")
	daemon("slurmd", "-D", "-N", "m1")
	daemon("slurmd", "-D", "-N", "m2")
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(up, tools[args[0]], args[1:]...)
		cmd.Env, cmd.Dir = env, dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%q: %v\n%s", args, cmp.Or(context.Cause(up), err), out)
		}
		return strings.TrimSpace(string(out))
	}
	for up.Err() == nil {
		cmd := exec.CommandContext(up, tools["sinfo"], "-h", "-t", "idle", "-o", "%D")
		cmd.Env = env
		if out, err := cmd.Output(); err == nil && strings.TrimSpace(string(out)) == "2" {
			return run
		}
		time.Sleep(100 * time.Millisecond) // `go test -timeout` ends a cluster that never comes up
	}
	t.Fatal(context.Cause(up))
	return nil
}

// freePort returns a TCP port that nothing listens on.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// TestSlurm runs the batch scripts of examples/lab on a cluster of two nodes: an array
// does a night in parts, and a job that depends on it merges and judges them.
func TestSlurm(t *testing.T) {
	t.Parallel()
	dir := playground(t)
	examples, err := filepath.Abs(lab)
	if err != nil {
		t.Fatal(err)
	}
	run := cluster(t, dir, append(os.Environ(), "NIGHT=2026-01-31", "PATH="+filepath.Join(dir, "bin")+":"+os.Getenv("PATH")))
	slurm, merge := filepath.Join(examples, "slurm.sh"), filepath.Join(examples, "merge.sh")
	dependency := "--dependency=afterany:" + run("sbatch", "--parsable", "--array=1-2", "--output=part-%a", slurm)
	for _, feature := range []string{"zen3", "zen4"} {
		dependency += ":" + run("sbatch", "--parsable", "--array=1-1", "--constraint="+feature, "--export=ALL,NIGHT="+feature, "--output="+feature, slurm)
	}
	run("sbatch", "--wait", dependency, "--output=merge", merge)

	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, tt := range []struct{ name, file, want string }{
		{"first part", "part-1", "Night 2026-01-31 on m"},
		{"second part", "part-2", "Nothing new in 1 cell."},
		{"merged", "merge", "Nothing new in 2 cells."},
		{"cells", "nights/all/results.jsonl", `"series":"static linux-4.1"`},
		{"pages", "nights/pages/index.html", "linux-3.19"},
		{"a node with a feature", "zen3", "Night zen3 on m1: "},
		{"a node with another feature", "zen4", "Night zen4 on m2: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if text := read(tt.file); !strings.Contains(text, tt.want) {
				t.Errorf("no %q in\n%s", tt.want, text)
			}
		})
	}
	// Each part did one cell, and the merging job none.
	if text := read("nights/all/results.jsonl"); strings.Count(text, `"kind":"cell"`) != 2 || strings.Contains(read("merge"), "cells left") {
		t.Errorf("the cells are\n%s\n%s", text, read("merge"))
	}
}
