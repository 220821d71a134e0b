/* SPDX-License-Identifier: BSD-3-Clause */
/* In place of the trap's table, to test the relocator: a row for what cannot be relocated. */
#include "doors/preload/trap_private.h"

trap_handler trap_table_find(ZydisMnemonic mnemonic)
{
	switch (mnemonic) {
	case ZYDIS_MNEMONIC_PUSH:
		return integer_push;
	case ZYDIS_MNEMONIC_POP:
		return integer_pop;
	case ZYDIS_MNEMONIC_CALL:
		return integer_call;
	case ZYDIS_MNEMONIC_JMP:
		return integer_jump;
	case ZYDIS_MNEMONIC_XLAT:
		return integer_translate;
	case ZYDIS_MNEMONIC_CLZERO:
	case ZYDIS_MNEMONIC_MOVDIR64B:
		return integer_move_line;
	case ZYDIS_MNEMONIC_VPSCATTERDD:
	case ZYDIS_MNEMONIC_VPSCATTERDQ:
	case ZYDIS_MNEMONIC_VPSCATTERQD:
	case ZYDIS_MNEMONIC_VPSCATTERQQ:
	case ZYDIS_MNEMONIC_VSCATTERDPS:
	case ZYDIS_MNEMONIC_VSCATTERQPD:
		return vector_scatter;
	case ZYDIS_MNEMONIC_VPGATHERDD:
	case ZYDIS_MNEMONIC_VPGATHERDQ:
	case ZYDIS_MNEMONIC_VPGATHERQD:
	case ZYDIS_MNEMONIC_VGATHERQPS:
	case ZYDIS_MNEMONIC_VGATHERQPD:
		return vector_gather;
	default:
		return NULL;
	}
}
