/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fuzzer's face.
 *
 *     fuzz [--mock] --seed N [--count M]    M sequences from N on; --mock: for the mock's test
 * command fuzz FILE                             the sequences of a file, be it a log or written by
 * hand
 *
 * Prints each sequence as it goes: "seq NAME", its calls, and "end" with what was left mapped. In a
 * file, what stands behind " =" does not count, and a line that begins with # is passed over.
 */
#include "fuzz.h"

#include "../abi/abi_test.h"

#include <getopt.h>

static void print_op(const struct op *op)
{
	printf("%s", op->command ? op->command->name : specials[op->special].name);
	for (unsigned int i = 0; i < op->nr_args; i++)
		printf(" %jx", (uintmax_t)op->args[i]);
}

static void print_answer(const struct answer *answer)
{
	if (answer->err)
		printf(" = %s%s\n", abi_errno_name(answer->err), answer->text);
	else
		printf(" = %jx%s\n", (uintmax_t)answer->result, answer->text);
}

static void run(const struct op *op, struct answer *answer)
{
	print_op(op);
	/* Out before the call, so that one that never returns is seen. */
	fflush(stdout);
	world_do(op, answer);
	print_answer(answer);
}

static void end(void)
{
	char text[512];

	world_end(text, sizeof(text));
	printf("end =%s\n", text);
	fflush(stdout);
}

static void run_seed(struct generator *g, uint64_t seed)
{
	struct answer answer;
	struct op op;

	printf("seq %ju\n", (uintmax_t)seed);
	generator_begin(g, seed);
	while (generator_next(g, &op)) {
		run(&op, &answer);
		generator_learn(g, &op, &answer);
	}
	end();
}

static bool find(const char *name, struct op *op)
{
	for (size_t i = 0; i < nr_commands; i++) {
		if (strcmp(commands[i].name, name))
			continue;
		op->command = &commands[i];
		op->nr_args = 2 + command_nr_fields(op->command);
		return true;
	}
	for (unsigned int i = 0; i < NR_SPECIAL; i++) {
		if (strcmp(specials[i].name, name))
			continue;
		op->special = i;
		op->nr_args = specials[i].nr_args;
		return true;
	}
	return false;
}

static bool parse(char *line, struct op *op)
{
	char *save = NULL, *word = strtok_r(line, " \n", &save), *rest;

	*op = (struct op){0};
	if (!word || !find(word, op))
		return false;
	for (unsigned int i = 0; i < op->nr_args; i++) {
		word = strtok_r(NULL, " \n", &save);
		if (!word)
			return false;
		op->args[i] = strtoull(word, &rest, 16);
		if (*rest)
			return false;
	}
	return true;
}

static void run_line(char *line, unsigned int number)
{
	struct answer answer;
	struct op op;
	char *equals = strstr(line, " =");

	if (equals)
		*equals = '\0';
	line[strcspn(line, "\n")] = '\0';
	if (!*line || *line == '#')
		return;
	if (!strncmp(line, "seq ", 4)) {
		printf("%s\n", line);
	} else if (!strcmp(line, "end")) {
		end();
	} else if (parse(line, &op)) {
		run(&op, &answer);
	} else {
		fprintf(stderr, "fuzz: line %u is no call\n", number);
		exit(2);
	}
}

static int run_file(const char *path)
{
	char line[2048];
	unsigned int number = 0;
	FILE *f = fopen(path, "re");

	if (!f) {
		perror(path);
		return 2;
	}
	while (fgets(line, sizeof(line), f))
		run_line(line, ++number);
	fclose(f);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"seed", required_argument, NULL, 's'},
						{"count", required_argument, NULL, 'c'},
						{"mock", no_argument, NULL, 'm'},
						{0}};
	uint64_t seed = 1, count = 1;
	struct generator *g;
	bool mock = false;
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 's')
			seed = strtoull(optarg, NULL, 0);
		else if (opt == 'c')
			count = strtoull(optarg, NULL, 0);
		else if (opt == 'm')
			mock = true;
		else
			return 2;
	}
	world_make();
	if (optind < argc)
		return run_file(argv[optind]);
	g = generator_new(mock);
	for (uint64_t i = 0; i < count; i++)
		run_seed(g, seed + i);
	generator_free(g);
	return 0;
}
