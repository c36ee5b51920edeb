#!/usr/bin/env bash
# Compiles the consumer with nothing but a compiler and pkg-config.
# usage: pkg_config.sh COMPILER PREFIX BUILD_DIR
set -euo pipefail
compiler=$1 prefix=$2 build=$3

PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name beast_cache.pc)")
export PKG_CONFIG_PATH
mkdir -p "$build"
read -ra flags < <(pkg-config --cflags --libs --static beast_cache)
set -x
# The flags stand behind the source, as the linker wants libraries behind their users.
"$compiler" -std=c++20 "$(dirname "$0")/main.cpp" "${flags[@]}" -o "$build/consumer"
cd "$build"
./consumer
