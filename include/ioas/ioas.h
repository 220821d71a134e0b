/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libioas: the Linux IOMMU user API, served by a library. This header includes all others.
 *
 *   types.h    what the others share: refusals, faults, callbacks
 *   host.h     a host: an IOMMU of some make and what is behind it
 *   port.h     a device of the embedder's own, which does DMA
 *   memory.h   memory for the host: registered, or behind callbacks
 *   context.h  an open iommufd, of a host or of the kernel; address spaces (IOAS)
 *   hwpt.h     hardware page tables, nested translation, dirty tracking
 *   viommu.h   virtual IOMMUs, their devices, events and queues; page faults
 *   device.h   VFIO devices
 *   access.h   software users of an IOAS
 *   pasid.h    sets of PASIDs, one for each VM
 *   alloc.h    where the library's structures come from
 *   file.h     the host's nodes as raw files, with the kernel's own commands
 *   abi/       the kernel's structures and numbers, in our words
 *
 * docs/embedding.md is where to start.
 *
 * Manners
 *
 * - Functions that can fail return 0 or a positive result, or a negative errno. Each names the
 *   errors that are its own; -ENOMEM and, where a call goes to the kernel, what its manual says,
 *   can come from any of them. A call that fails has changed nothing, unless it says what stays.
 * - Addresses and lengths are in bytes, of any alignment, unless they say otherwise. IOVAs are
 *   uint64_t; `last` is inclusive.
 * - Functions are thread-safe unless they say otherwise. Destroying is not: nobody may be using
 * what is destroyed.
 * - There is no global state: a process may hold many hosts and contexts. The library installs no
 *   signal handler, prints nothing and never exits. A model of the library's own (ioas_add_model())
 *   has a thread, which starts with its first work; nothing else has.
 * - Structures that the caller fills are zeroed first (`= {0}`): 0 is the default everywhere. They
 * keep their layout; what a later version adds takes the place of what is reserved, with 0 as what
 * was before.
 * - Out parameters may be NULL where that is said; they are written on success only, but for those
 *   that count what was done.
 */
#ifndef IOAS_IOAS_H
#define IOAS_IOAS_H

#include <ioas/access.h>
#include <ioas/alloc.h>
#include <ioas/context.h>
#include <ioas/device.h>
#include <ioas/file.h>
#include <ioas/host.h>
#include <ioas/hwpt.h>
#include <ioas/memory.h>
#include <ioas/pasid.h>
#include <ioas/port.h>
#include <ioas/types.h>
#include <ioas/viommu.h>

#endif
