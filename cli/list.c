/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `ioas devices` and `ioas makes`: the const tables, in words.
 */
#include <inttypes.h>
#include <string.h>

#include "base/bits.h"
#include "cli/cli.h"
#include "devices/pci.h"
#include "iommu/iommu.h"

static const char *const type_words[] = {
	[OPTION_BOOL] = "on|off", [OPTION_NUMBER] = "N",	 [OPTION_SIZE] = "BYTES",
	[OPTION_STRING] = "TEXT", [OPTION_BDF] = "DDDD:BB:DD.F",
};

static void print_size(uint64_t n)
{
	static const char units[] = " KMGT";
	size_t unit = 0;

	while (n && !(n & 1023) && unit + 2 < sizeof(units)) {
		n >>= 10;
		unit++;
	}
	printf("%" PRIu64, n);
	if (unit)
		putchar(units[unit]);
}

static void print_range(const struct option_key *k)
{
	if (!k->max || (k->type != OPTION_NUMBER && k->type != OPTION_SIZE))
		return;
	fputs(", ", stdout);
	if (k->type == OPTION_SIZE) {
		print_size(k->min);
		fputs(" to ", stdout);
		print_size(k->max);
	} else {
		printf("%" PRIu64 " to %" PRIu64, k->min, k->max);
	}
}

static void print_keys(const struct option_key *keys)
{
	char left[40];

	for (; keys && keys->name; keys++) {
		snprintf(left, sizeof(left), "%s=%s", keys->name, type_words[keys->type]);
		printf("    %-22s %s", left, keys->help);
		print_range(keys);
		if (keys->def)
			printf(" (default: %s)", keys->def);
		putchar('\n');
	}
}

static int refuse_arguments(int argc, char **argv, const char *what)
{
	if (argc == 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		printf("Usage: ioas %s\n\nLists %s, with every option, its meaning and its default.\n",
		       argv[0], what);
		return 0;
	}
	fprintf(stderr, "ioas %s: takes no arguments; it was given '%s'\n", argv[0], argv[1]);
	return EXIT_USAGE;
}

int cmd_devices(int argc, char **argv)
{
	static const struct option_key common[] = {
		{"bdf", OPTION_BDF, NULL, 0, 0,
		 "PCI address (default: the next free bus, from 0000:01:00.0 on)"},
		{"group", OPTION_NUMBER, NULL, 0, 0,
		 "IOMMU group to be in (default: one of its own)"},
		{0},
	};

	if (argc > 1)
		return refuse_arguments(argc, argv, "the models for `ioas run --device`");
	for (const struct pci_model *const *m = pci_models; *m; m++) {
		printf("%s: %s\n", (*m)->name, (*m)->summary);
		print_keys((*m)->keys);
		putchar('\n');
	}
	puts("every device:");
	print_keys(common);
	return 0;
}

int cmd_makes(int argc, char **argv)
{
	if (argc > 1)
		return refuse_arguments(argc, argv, "the makes for `ioas run --iommu`");
	for (const struct iommu_make *const *m = iommu_makes; *m; m++) {
		printf("%s: %s%s\n", (*m)->name, (*m)->summary,
		       m == iommu_makes ? " (default)" : "");
		print_keys((*m)->keys);
		if (m[1])
			putchar('\n');
	}
	return 0;
}

void list_limits(void)
{
	puts("--limit KEY=VALUE[,KEY=VALUE...]:");
	print_keys(limit_keys);
}
