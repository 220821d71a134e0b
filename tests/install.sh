#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What `make install DESTDIR=$1` put there works without the source tree: the command finds its preload library, the library's symbols
# are its own only, pkg-config's flags build a program against both forms of it.
set -eu
dest=$1
prefix=$(dirname "$(dirname "$(find "$dest" -path '*/bin/ioas')")")
lib=$(dirname "$(find "$prefix" -name 'libioas.so.0')")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

fail()
{
  echo "install: $*"
  exit 1
}

for file in bin/ioas include/ioas/ioas.h include/ioas/abi/iommufd.h include/ioas/abi/vfio.h include/ioas/abi/vfio_layout.h share/man/man1/ioas.1 \
  share/bash-completion/completions/ioas; do
  [ -s "$prefix/$file" ] || fail "$file is missing"
done
[ -s "$lib/libioas.a" ] || fail "libioas.a is missing"

"$prefix/bin/ioas" run -- sh -c 'test -d /sys/bus/pci/drivers/vfio-pci' || fail "ioas run does not work where it is installed"

"$prefix/bin/ioas" run --record=run.log -- true && "$prefix/bin/ioas" report run.log -o page.html && grep -q '</html>' page.html ||
  fail "ioas report does not work where it is installed"

foreign=$(nm -D --defined-only "$lib/libioas.so.0" | awk '$2 ~ /[TDBR]/ && $3 !~ /^ioas_/ {print $3}')
[ -z "$foreign" ] || fail "libioas exports $foreign"
newest=$(objdump -T "$lib/libioas-preload.so" | grep -oE 'GLIBC_2\.[0-9]+' | sort -t. -k2 -n | tail -n 1)
[ "${newest#GLIBC_2.}" -le 36 ] || fail "the preload library needs $newest"
needs=$(readelf -d "$lib/libioas-preload.so" | awk '/NEEDED/ {print $NF}' | grep -vE 'libc\.so\.6|ld-linux' || true)
[ -z "$needs" ] || fail "the preload library needs $needs"

cat >user.c <<'C'
#include <ioas/ioas.h>
int main(void)
{
	struct ioas_host_config cfg = {0};
	struct ioas_host *h;
	if (ioas_host_create(&cfg, &h, 0, 0) || ioas_open(h, "/dev/iommu") < 0)
		return 1;
	ioas_host_destroy(h);
	return 0;
}
C
export PKG_CONFIG_PATH=$lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$dest
# shellcheck disable=SC2046
cc user.c -o shared $(pkg-config --cflags --libs ioas) && LD_LIBRARY_PATH=$lib ./shared || fail "a program with the shared library"
# shellcheck disable=SC2046
cc user.c -o static $(pkg-config --cflags ioas) "$lib/libioas.a" -pthread && ./static || fail "a program with the static library"
cp user.c user.cc
# shellcheck disable=SC2046
c++ user.cc -o cxx $(pkg-config --cflags --libs ioas) && LD_LIBRARY_PATH=$lib ./cxx || fail "a C++ program"
echo "install: all there, and it works"
