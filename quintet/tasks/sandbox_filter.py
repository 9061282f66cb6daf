"""Which system calls sandboxed code may make: a seccomp filter, as the bytes that bubblewrap loads.

It is a list of what is allowed. Everything else answers "not implemented", as on an older kernel, so programs fall back
instead of dying. What is left out on purpose: sockets, mounts and namespaces, tracing and other processes' memory, keys,
io_uring, bpf, and every way to hold memory that neither the address space nor the size of a file limits (memfd_create, System
V and POSIX queues and shared memory).
"""

from __future__ import annotations

import ctypes
import errno
import os
from ctypes import byref, c_int, c_uint, c_uint32, c_uint64
from functools import cache

FILES = """access chdir chmod chown close close_range copy_file_range creat dup dup2 dup3 epoll_create epoll_create1
epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2 faccessat faccessat2 fadvise64 fallocate fchdir fchmod
fchmodat fchmodat2 fchown fchownat fcntl fdatasync fgetxattr flistxattr flock fsetxattr fstat fstatfs fsync ftruncate
futimesat getcwd getdents getdents64 getxattr inotify_add_watch inotify_init inotify_init1 inotify_rm_watch ioctl lchown
lgetxattr link linkat listxattr llistxattr lseek lstat mkdir mkdirat newfstatat open openat openat2 pipe pipe2 poll
ppoll pread64 preadv preadv2 pselect6 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv rename renameat
renameat2 rmdir select sendfile splice stat statfs statx symlink symlinkat sync sync_file_range syncfs tee truncate
umask unlink unlinkat utime utimensat utimes vmsplice write writev"""
MEMORY = """brk get_mempolicy madvise membarrier mincore mlock mlock2 mlockall mmap mprotect mremap msync munlock
munlockall munmap pkey_alloc pkey_free pkey_mprotect"""
PROCESSES = """arch_prctl capget execve execveat exit exit_group futex futex_waitv get_robust_list get_thread_area
getcpu getegid geteuid getgid getgroups getpgid getpgrp getpid getppid getpriority getresgid getresuid getrlimit
getrusage getsid gettid getuid kill pidfd_open pidfd_send_signal prctl prlimit64 restart_syscall rseq
sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler
sched_rr_get_interval sched_setaffinity sched_yield set_robust_list set_thread_area set_tid_address setpgid setpriority
setrlimit setsid sysinfo tgkill times tkill uname wait4 waitid"""
SIGNALS_AND_TIME = """alarm clock_getres clock_gettime clock_nanosleep getitimer getrandom gettimeofday nanosleep pause
rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo
setitimer sigaltstack signalfd signalfd4 time timer_create timer_delete timer_getoverrun timer_gettime timer_settime
timerfd_create timerfd_gettime timerfd_settime"""
PAIRS = "socketpair recvmsg recvfrom sendmsg sendto shutdown getsockopt setsockopt"
"""Two ends of one pipe within a process tree: rustc and asyncio talk over them. No `socket`, so nothing leads out."""

NAMESPACES = 0x7E020080  # CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET} and CLONE_NEWTIME
THREAD = 0x00010000  # CLONE_THREAD
ALLOW, NOT_IMPLEMENTED = 0x7FFF0000, 0x00050000 | errno.ENOSYS
MASKED_EQUAL = 7


class _Condition(ctypes.Structure):
    """struct scmp_arg_cmp: argument number, comparison, and its one or two operands."""

    _fields_ = (("argument", c_uint), ("comparison", c_int), ("first", c_uint64), ("second", c_uint64))


def missing_library() -> str | None:
    """A sentence where libseccomp can't be loaded."""
    try:
        _library()
    except OSError:
        return "libseccomp.so.2 can't be loaded: install libseccomp2."
    return None


@cache
def seccomp_filter(may_fork: bool) -> bytes:
    """The compiled filter for this machine. `may_fork` False: threads, but no further process. Raises OSError without
    libseccomp."""
    library = _library()
    made = library.seccomp_init(c_uint32(NOT_IMPLEMENTED))
    try:
        for name in f"{FILES} {MEMORY} {PROCESSES} {SIGNALS_AND_TIME} {PAIRS}".split():
            _allow(library, made, name)
        if may_fork:
            _allow(library, made, "clone", _Condition(0, MASKED_EQUAL, NAMESPACES, 0))
            _allow(library, made, "fork")
            _allow(library, made, "vfork")
        else:
            _allow(library, made, "clone", _Condition(0, MASKED_EQUAL, THREAD | NAMESPACES, THREAD))
        return _exported(library, made)
    finally:
        library.seccomp_release(made)


@cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_release.argtypes = [ctypes.c_void_p]
    library.seccomp_export_bpf.argtypes = [ctypes.c_void_p, c_int]
    library.seccomp_rule_add_array.argtypes = [ctypes.c_void_p, c_uint32, c_int, c_uint, ctypes.c_void_p]
    return library


def _allow(library: ctypes.CDLL, made: int, name: str, *conditions: _Condition) -> None:
    number = library.seccomp_syscall_resolve_name(name.encode())
    if number < 0:  # this machine's kind of processor has no such call
        return
    array = (_Condition * len(conditions))(*conditions)
    failed = library.seccomp_rule_add_array(made, ALLOW, number, len(conditions), byref(array))
    assert failed == 0, f"seccomp rule for {name}: {os.strerror(-failed)}"


def _exported(library: ctypes.CDLL, made: int) -> bytes:
    file = os.memfd_create("filter")
    try:
        failed = library.seccomp_export_bpf(made, file)
        assert failed == 0, f"seccomp filter: {os.strerror(-failed)}"
        return os.pread(file, os.fstat(file).st_size, 0)
    finally:
        os.close(file)
