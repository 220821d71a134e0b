/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The records of a recording: their numbers, and their fields in the order in which they lie there
 * (docs/recording.md).
 *
 * A number is never used again for something else, and a record only grows at its end: an older
 * reader skips what it does not know, a newer one finds 0 where an older writer wrote nothing.
 *
 * U: an unsigned number. S: a signed one. B: bytes, or text without a NUL.
 */
#ifndef IOAS_OBSERVE_LOG_TYPES_H
#define IOAS_OBSERVE_LOG_TYPES_H

/* name, number */
#define LOG_RECORDS(X)                                                                             \
	/* What the recording is about. */                                                         \
	X(machine, 1)                                                                              \
	X(process, 2)                                                                              \
	X(thread_name, 3)                                                                          \
	X(device, 4)                                                                               \
	X(lost, 5)                                                                                 \
	X(finding, 6)                                                                              \
	X(end, 7)                                                                                  \
	/* Calls, and what the engine asked the caller while one ran. */                           \
	X(call, 16)                                                                                \
	X(answer, 17)                                                                              \
	X(release, 18)                                                                             \
	X(copy_in, 19)                                                                             \
	X(copy_out, 20)                                                                            \
	X(capable, 21)                                                                             \
	X(file_get, 22)                                                                            \
	X(fd_install, 23)                                                                          \
	X(fd_uninstall, 24)                                                                        \
	X(eventfd_get, 25)                                                                         \
	X(fd_dup, 26)                                                                              \
	X(account, 27)                                                                             \
	X(probe, 28)                                                                               \
	X(vma, 29)                                                                                 \
	/* What is done to a device beside the nodes. */                                           \
	X(control, 30)                                                                             \
	/* Address spaces. */                                                                      \
	X(context_close, 40)                                                                       \
	X(space_new, 41)                                                                           \
	X(space_gone, 42)                                                                          \
	X(map, 43)                                                                                 \
	X(unmap, 44)                                                                               \
	X(unmapped, 45)                                                                            \
	X(cut, 46)                                                                                 \
	X(short_unmap, 47)                                                                         \
	X(memory_change, 48)                                                                       \
	/* IOMMUs. */                                                                              \
	X(attach, 60)                                                                              \
	X(invalidate, 61)                                                                          \
	X(guest_invalidate, 62)                                                                    \
	X(fault, 63)                                                                               \
	X(page_request, 64)                                                                        \
	X(guest_read, 65)                                                                          \
	X(guest_mark, 66)                                                                          \
	X(guest_queue, 67)                                                                         \
	/* Devices. */                                                                             \
	X(dma_begin, 80)                                                                           \
	X(dma_step, 81)                                                                            \
	X(dma_end, 82)                                                                             \
	X(interrupt, 83)

/* @text: the run directory's `host` (doors/run.h). @realtime: ns since 1970 when time was 0. */
#define LOG_FIELDS_machine(U, S, B) U(version) U(realtime) B(text)
#define LOG_FIELDS_process(U, S, B) U(parent) B(name)
/* That number of a thread is from now on this one's. */
#define LOG_FIELDS_thread_name(U, S, B) U(tid) B(name)
/* @features: LOG_FEATURE_: what is in the records of this process besides. */
#define LOG_FIELDS_device(U, S, B) U(device) U(rid) B(name) U(features)
/* So many records were dropped here, as nobody took them fast enough. */
#define LOG_FIELDS_lost(U, S, B) U(count)
/* A line of JSON, as --report writes it (docs/debugging.md). */
#define LOG_FIELDS_finding(U, S, B) B(text)
/* The run is over; with its exit status. */
#define LOG_FIELDS_end(U, S, B) U(status)

/* @op: enum observed_op; @cmd of an open: enum abi_file_kind; @flags: LOG_CALL_ */
#define LOG_FIELDS_call(U, S, B) U(op) U(file) U(cmd) U(arg) U(len) U(pos) U(process) U(flags)
/* @file of an open: the new one. */
#define LOG_FIELDS_answer(U, S, B)	 U(op) U(file) U(cmd) U(arg) S(rc)
#define LOG_FIELDS_release(U, S, B)	 U(file)
#define LOG_FIELDS_copy_in(U, S, B)	 U(va) U(len) S(rc) B(data)
#define LOG_FIELDS_copy_out(U, S, B)	 U(va) U(len) S(rc) B(data)
#define LOG_FIELDS_capable(U, S, B)	 U(cap) U(yes)
#define LOG_FIELDS_file_get(U, S, B)	 S(fd) S(rc) U(file)
#define LOG_FIELDS_fd_install(U, S, B)	 U(file) U(kind) S(fd)
#define LOG_FIELDS_fd_uninstall(U, S, B) S(fd)
#define LOG_FIELDS_eventfd_get(U, S, B)	 S(fd) S(rc)
/* @mode: st_mode; @flags: O_ACCMODE; @filesystem: f_type of statfs() */
#define LOG_FIELDS_fd_dup(U, S, B) S(fd) S(rc) U(dev) U(ino) U(size) U(mode) U(flags) U(filesystem)
/* @limit: bytes of locked memory */
#define LOG_FIELDS_account(U, S, B) U(process_mode) U(limit)
#define LOG_FIELDS_probe(U, S, B)   U(va) U(len) U(how) S(rc)
/* @kind: enum memory_vma_kind; @access: 1 read, 2 write; @bar: of a device, and where in it */
#define LOG_FIELDS_vma(U, S, B)                                                                    \
	U(va)                                                                                      \
	S(rc)                                                                                      \
	U(start) U(last) U(kind) U(access) U(dev) U(ino) U(offset) U(device) U(bar) U(bar_offset)

/* @op: LOG_CONTROL_; @value: how many virtual functions, and 1 << 32 to wait for those that go */
#define LOG_FIELDS_control(U, S, B) U(device) U(op) U(value) S(rc)

/* Spaces and contexts are numbered from 1 on; 0: none, or not known. */
#define LOG_FIELDS_context_close(U, S, B) U(context)
#define LOG_FIELDS_space_new(U, S, B)	  U(space) U(context) U(id) U(container)
#define LOG_FIELDS_space_gone(U, S, B)	  U(space)
/* @va: or offset in the file (@source 1) or dma-buf (@source 2); @prot: SPACE_ */
#define LOG_FIELDS_map(U, S, B)		U(space) U(iova) U(last) U(va) U(prot) U(copy) U(source)
#define LOG_FIELDS_unmap(U, S, B)	U(space) U(iova) U(last)
#define LOG_FIELDS_unmapped(U, S, B)	U(space) U(iova) U(last)
#define LOG_FIELDS_cut(U, S, B)		U(space) U(iova)
#define LOG_FIELDS_short_unmap(U, S, B) U(space) U(iova) U(length) U(removed)
/* @process: 0: the engine's own; otherwise another one's */
#define LOG_FIELDS_memory_change(U, S, B) U(va) U(last) U(process)

/* Devices are numbered as they stand in the machine's text, from 0 on. @space 0: blocked. */
#define LOG_FIELDS_attach(U, S, B)     U(device) U(pasid) U(space) U(nested) U(old_space) U(old_nested)
#define LOG_FIELDS_invalidate(U, S, B) U(space) U(iova) U(last)
/* @device: LOG_NO_DEVICE: of all that nest on @space; @kind: LOG_INVALIDATE_ */
#define LOG_FIELDS_guest_invalidate(U, S, B) U(space) U(device) U(iova) U(last) U(pasid) U(kind)
/* @reason: enum iommu_fault_reason; @code: the make's own; @guest: told to a guest */
#define LOG_FIELDS_fault(U, S, B)                                                                  \
	U(device) U(rid) U(pasid) U(iova) U(len) U(access) U(reason) U(code) U(guest)
/* @addr, @perm: of the first of @count */
#define LOG_FIELDS_page_request(U, S, B) U(device) U(pasid) U(grpid) U(count) U(addr) U(perm)

/* What a guest wrote, as a translation read it: of its structures or tables, at @gpa in @space. */
#define LOG_FIELDS_guest_read(U, S, B) U(device) U(space) U(gpa) U(word) S(rc)
/* Flags were to be set there: @to in the place of @is. */
#define LOG_FIELDS_guest_mark(U, S, B) U(device) U(space) U(gpa) U(is) U(to) S(rc)
/* @queue: numbered from 1 on; @what: enum observed_queue; @data: whole entries */
#define LOG_FIELDS_guest_queue(U, S, B) U(queue) U(what) U(count) B(data)

/* @access: enum iommu_access */
#define LOG_FIELDS_dma_begin(U, S, B) U(device) U(pasid) U(iova) U(len) U(access)
/* One translation of the transfer that runs on this thread. @target: LOG_TARGET_ */
#define LOG_FIELDS_dma_step(U, S, B) U(device) U(pasid) U(iova) U(len) U(access) U(pa) U(target)
/* @data: the first bytes of a write, at most LOG_DMA_BYTES; @fill: it is those again and again */
#define LOG_FIELDS_dma_end(U, S, B)                                                                \
	U(device) U(pasid) U(iova) U(len) U(access) U(done) S(rc) U(fill) B(data)
/* @index: VFIO_PCI_*_IRQ_INDEX */
#define LOG_FIELDS_interrupt(U, S, B) U(device) U(index) U(vector)

#define LOG_NO_DEVICE	  UINT32_MAX
#define LOG_FEATURE_GUEST 1u /* guest_read, guest_mark, guest_queue */
#define LOG_DMA_BYTES	  64u
#define LOG_CALL_NO_MMAP  1u /* no region of a device offered to be mapped */
enum { LOG_CONTROL_RESET, LOG_CONTROL_VFS };
enum { LOG_INVALIDATE_TABLES, LOG_INVALIDATE_CONFIG, LOG_INVALIDATE_ATC };
enum { LOG_TARGET_MEMORY, LOG_TARGET_BAR, LOG_TARGET_MESSAGE };
enum { LOG_SOURCE_VA, LOG_SOURCE_FILE, LOG_SOURCE_DMABUF };

#endif
