package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// processes are all that run, in the order in which they started.
type processes struct {
	dir string

	mu  sync.Mutex
	all []*process
}

// A process can be killed, and started again as it was.
type process struct {
	name      string
	dir, path string
	env, args []string
	root      string // What it sees as /, if that is another folder.

	mu      sync.Mutex
	cmd     *exec.Cmd
	done    chan struct{}
	wanted  bool // It is to run.
	endedBy error
}

// start a program. Its output goes to logs/NAME.log.
func (p *processes) start(name, path string, env []string, args ...string) (*process, error) {
	pr := &process{name: name, dir: p.dir, path: path, env: env, args: args}
	if err := pr.start(); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = append(p.all, pr)
	return pr, nil
}

// run a program of an image to its end.
func (p *processes) run(name, image, path string, env []string, args ...string) error {
	pr := &process{name: name, dir: p.dir, path: path, env: env, args: args, root: image}
	if err := pr.start(); err != nil {
		return err
	}
	<-pr.done
	if !errors.Is(pr.endedBy, errEnded) {
		return fmt.Errorf("%s: %w; see its log", name, pr.endedBy)
	}
	return nil
}

// named returns the process of a name.
func (p *processes) named(name string) *process {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.IndexFunc(p.all, func(pr *process) bool { return pr.name == name }); i >= 0 {
		return p.all[i]
	}
	return nil
}

// forget ends the process of a name, if there is one.
func (p *processes) forget(name string) {
	pr := p.named(name)
	if pr == nil {
		return
	}
	pr.end(syscall.SIGTERM)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = slices.DeleteFunc(p.all, func(other *process) bool { return other == pr })
}

// dead returns the names of those that ended by themselves.
func (p *processes) dead() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var names []string
	for _, pr := range p.all {
		if err := pr.ended(); err != nil {
			names = append(names, fmt.Sprintf("%s (%v)", pr.name, err))
		}
	}
	return names
}

// stop all, the youngest first.
func (p *processes) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, pr := range slices.Backward(p.all) {
		pr.end(syscall.SIGTERM)
	}
}

// errEnded is why a process ended that succeeded.
var errEnded = errors.New("it ended")

func (p *process) start() error {
	log, err := os.OpenFile(filepath.Join(p.dir, "logs", p.name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	cmd := exec.Command(p.path, p.args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.dir, log, log
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Join(p.dir, "home"), "TMPDIR=" + filepath.Join(p.dir, "tmp"),
	}, p.env...)
	if p.root != "" {
		cmd.Dir, cmd.SysProcAttr = "/", &syscall.SysProcAttr{Chroot: p.root}
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	done := make(chan struct{})
	p.mu.Lock()
	p.cmd, p.done, p.wanted, p.endedBy = cmd, done, true, nil
	p.mu.Unlock()
	go func() {
		err := cmd.Wait()
		log.Close()
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.endedBy = err; err == nil {
			p.endedBy = errEnded
		}
		close(done)
	}()
	return nil
}

// ended returns why the process ended, if it did so by itself.
func (p *process) ended() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.wanted {
		return nil
	}
	return p.endedBy
}

// pid of the process that runs, or that ran last.
func (p *process) pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd.Process.Pid
}

// kill the process, as a node's crash would.
func (p *process) kill() { p.end(syscall.SIGKILL) }

func (p *process) end(s syscall.Signal) {
	p.mu.Lock()
	p.wanted = false
	cmd, done := p.cmd, p.done
	p.mu.Unlock()
	_ = cmd.Process.Signal(s)
	select {
	case <-done:
	case <-time.After(3 * time.Second):
		_ = cmd.Process.Kill()
		<-done
	}
}

// A usage is the processor time that a process took, and the memory that it has and the most
// that it had, in MiB.
type usage struct {
	cpu       time.Duration
	rss, peak int
}

func (p *process) usage() (u usage, err error) {
	pid := p.pid()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return u, err
	}
	// Fields 14 and 15, in clock ticks: proc_pid_stat(5). The name, which may hold
	// spaces, is the second.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	for _, f := range fields[11:13] {
		n, err := strconv.Atoi(f)
		if err != nil {
			return u, err
		}
		u.cpu += time.Duration(n) * time.Second / 100
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return u, err
	}
	for field, v := range map[string]*int{"VmRSS:": &u.rss, "VmHWM:": &u.peak} {
		_, kib, _ := strings.Cut(string(status), field)
		if _, err := fmt.Sscan(kib, v); err != nil {
			return u, err
		}
		*v /= 1024
	}
	return u, nil
}

// parallel runs functions at the same time, and joins their errors.
func parallel(ctx context.Context, fs ...func(ctx context.Context) error) error {
	errs := make([]error, len(fs))
	var wg sync.WaitGroup
	for i, f := range fs {
		wg.Go(func() { errs[i] = f(ctx) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
