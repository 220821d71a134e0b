/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The commands of iommufd and VFIO, by the kind of file, with the fields that -v and --explain
 * show. The first is the size of what the program gave: fields behind it are not shown. Those that
 * begin with "__" are, if they are not 0.
 */
#ifndef IOAS_DOORS_PRELOAD_TRACE_TABLE_H
#define IOAS_DOORS_PRELOAD_TRACE_TABLE_H

#include <stdint.h>

#include "abi/file.h"

/* FLAGS: bits by their names; ENUM: the value's name. */
enum trace_format { TRACE_DEC, TRACE_HEX, TRACE_SIGNED, TRACE_FLAGS, TRACE_ENUM };

struct trace_name {
	uint64_t value; /* FLAGS: of one bit or more */
	const char *name;
};

struct trace_field {
	const char *name;
	uint8_t offset, size;
	uint8_t format; /* enum trace_format */
	const struct trace_name *names; /* FLAGS, ENUM: ended by a NULL name */
};

enum trace_arg {
	TRACE_ARG_NONE,
	TRACE_ARG_NUMBER, /* the argument itself */
	TRACE_ARG_NAME,	  /* the same, one of the names of fields[0] */
	TRACE_ARG_FD,	  /* it points to an fd */
	TRACE_ARG_STRING,
	TRACE_ARG_STRUCT,
};

struct trace_command {
	enum abi_file_kind kind;
	unsigned int cmd;
	const char *name;
	enum trace_arg arg;
	const struct trace_field *fields; /* ended by a NULL name */
};

/* NULL: not in the table. */
const struct trace_command *trace_find(enum abi_file_kind kind, unsigned int cmd);

#endif
