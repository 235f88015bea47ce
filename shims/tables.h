/* Made by shims/generate_tables.py from uvx_policy: do not edit.
 *
 * Fixed arrays of characters instead of pointers: nothing to relocate when the launcher starts.
 */
#ifndef LINKPOLICY_TABLES_H
#define LINKPOLICY_TABLES_H

enum { TAKES_VALUE = 1, SIGNIFICANT = 2, PRINTS = 4, SCRIPT_FLAG = 8 };

struct option {
    unsigned char flags;
    char spelling[30];
};

enum { NAMESPACE = 1, EXTERNAL = 2, KEEPS_POSITIONALS = 4, TARGET_IS_PLAIN = 8 };

struct command {
    unsigned char parent; /* whose options count here as well; uv itself is its own */
    unsigned char flags;
    unsigned short first, end; /* its options: OPTIONS[ACCEPTED[index]], end not included */
};

struct subcommand {
    unsigned char below, command;
    char word[36];
};

#define KEY_FORMAT "linkpolicy-key-v2:a413c0d4b0c3892e"
#define GUARD_NAME "_LINKPOLICY_ACTIVE"
#define MARKER "linkpolicy-shim-v1"
#define PROGRAM_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
#define PLAIN "_"
#define LONGEST_KEY 65536
enum { UV_ITSELF = 0, TOOL_RUN = 64 };
enum { NO_COMMAND = 255 };

/* first words after which uv links nothing */
static const char QUICK[][10] = {
    "--help",
    "--version",
    "-V",
    "-h",
    "help",
};

/* in the order of the key */
static const char VARIABLES[][32] = {
    "HOME",
    "PATH",
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "CONDA_DEFAULT_ENV",
    "_CONDA_ROOT",
    "SUDO_UID",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_DIRS",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
    "UV_CACHE_DIR",
    "UV_CONFIG_FILE",
    "UV_ENV_FILE",
    "UV_FROZEN",
    "UV_INTERNAL__PARENT_INTERPRETER",
    "UV_ISOLATED",
    "UV_LINK_MODE",
    "UV_MANAGED_PYTHON",
    "UV_NO_CACHE",
    "UV_NO_CONFIG",
    "UV_NO_MANAGED_PYTHON",
    "UV_NO_PROJECT",
    "UV_NO_SYNC",
    "UV_NO_SYSTEM_CONFIG",
    "UV_OFFLINE",
    "UV_PREVIEW",
    "UV_PREVIEW_FEATURES",
    "UV_PROJECT",
    "UV_PROJECT_ENVIRONMENT",
    "UV_PYTHON",
    "UV_PYTHON_PREFERENCE",
    "UV_PYTHON_SEARCH_PATH",
    "UV_SYSTEM_PYTHON",
    "UV_TOOL_DIR",
    "UV_WORKING_DIR",
    "UV_WORKING_DIRECTORY",
    "APPDATA",
    "LOCALAPPDATA",
    "PROGRAMDATA",
    "SYSTEMDRIVE",
    "USERPROFILE",
};

static const struct option OPTIONS[] = {
    {1, "--abi"}, /* 0 */
    {2, "--active"}, /* 1 */
    {0, "--all"}, /* 2 */
    {0, "--all-arches"}, /* 3 */
    {0, "--all-extras"}, /* 4 */
    {0, "--all-groups"}, /* 5 */
    {0, "--all-packages"}, /* 6 */
    {0, "--all-platforms"}, /* 7 */
    {0, "--all-versions"}, /* 8 */
    {0, "--all_architectures"}, /* 9 */
    {0, "--allow-empty-requirements"}, /* 10 */
    {0, "--allow-existing"}, /* 11 */
    {1, "--allow-insecure-host"}, /* 12 */
    {0, "--allow-python-downloads"}, /* 13 */
    {0, "--allow-unsafe"}, /* 14 */
    {0, "--annotate"}, /* 15 */
    {1, "--annotation-style"}, /* 16 */
    {0, "--app"}, /* 17 */
    {0, "--application"}, /* 18 */
    {0, "--ask"}, /* 19 */
    {1, "--author-from"}, /* 20 */
    {0, "--bare"}, /* 21 */
    {1, "--batch"}, /* 22 */
    {0, "--bin"}, /* 23 */
    {0, "--binary"}, /* 24 */
    {1, "--bounds"}, /* 25 */
    {1, "--branch"}, /* 26 */
    {0, "--break-system-packages"}, /* 27 */
    {0, "--build"}, /* 28 */
    {1, "--build-backend"}, /* 29 */
    {1, "--build-constraint"}, /* 30 */
    {1, "--build-constraints"}, /* 31 */
    {0, "--build-isolation"}, /* 32 */
    {0, "--build-logs"}, /* 33 */
    {3, "--bump"}, /* 34 */
    {3, "--cache-dir"}, /* 35 */
    {1, "--cert"}, /* 36 */
    {0, "--check"}, /* 37 */
    {2, "--check"}, /* 38 */
    {2, "--check-exists"}, /* 39 */
    {1, "--check-url"}, /* 40 */
    {0, "--ci"}, /* 41 */
    {0, "--clear"}, /* 42 */
    {1, "--client-cert"}, /* 43 */
    {1, "--color"}, /* 44 */
    {0, "--compile"}, /* 45 */
    {0, "--compile-bytecode"}, /* 46 */
    {1, "--config"}, /* 47 */
    {3, "--config-file"}, /* 48 */
    {1, "--config-setting"}, /* 49 */
    {1, "--config-setting-package"}, /* 50 */
    {1, "--config-settings"}, /* 51 */
    {1, "--config-settings-package"}, /* 52 */
    {1, "--constraint"}, /* 53 */
    {1, "--constraints"}, /* 54 */
    {0, "--create-gitignore"}, /* 55 */
    {1, "--custom-compile-command"}, /* 56 */
    {0, "--default"}, /* 57 */
    {1, "--default-index"}, /* 58 */
    {0, "--deps"}, /* 59 */
    {1, "--depth"}, /* 60 */
    {1, "--description"}, /* 61 */
    {0, "--dev"}, /* 62 */
    {0, "--diff"}, /* 63 */
    {0, "--direct"}, /* 64 */
    {3, "--directory"}, /* 65 */
    {0, "--disable-pip-version-check"}, /* 66 */
    {2, "--dry-run"}, /* 67 */
    {0, "--editable"}, /* 68 */
    {1, "--editable"}, /* 69 */
    {0, "--emit-build-options"}, /* 70 */
    {0, "--emit-find-links"}, /* 71 */
    {0, "--emit-index-annotation"}, /* 72 */
    {0, "--emit-index-url"}, /* 73 */
    {0, "--emit-marker-expression"}, /* 74 */
    {0, "--emit-options"}, /* 75 */
    {0, "--emit-trusted-host"}, /* 76 */
    {3, "--env-file"}, /* 77 */
    {0, "--exact"}, /* 78 */
    {1, "--exclude"}, /* 79 */
    {0, "--exclude-editable"}, /* 80 */
    {1, "--exclude-newer"}, /* 81 */
    {1, "--exclude-newer-package"}, /* 82 */
    {1, "--excludes"}, /* 83 */
    {1, "--extra"}, /* 84 */
    {1, "--extra-index-url"}, /* 85 */
    {0, "--files"}, /* 86 */
    {1, "--find-links"}, /* 87 */
    {0, "--fix"}, /* 88 */
    {0, "--force"}, /* 89 */
    {0, "--force-pep517"}, /* 90 */
    {2, "--force-reinstall"}, /* 91 */
    {1, "--fork-strategy"}, /* 92 */
    {1, "--format"}, /* 93 */
    {1, "--from"}, /* 94 */
    {2, "--frozen"}, /* 95 */
    {0, "--generate-hashes"}, /* 96 */
    {3, "--generate-shell-completion"}, /* 97 */
    {0, "--global"}, /* 98 */
    {1, "--graalpy-mirror"}, /* 99 */
    {1, "--group"}, /* 100 */
    {10, "--gui-script"}, /* 101 */
    {0, "--hashes"}, /* 102 */
    {0, "--header"}, /* 103 */
    {6, "--help"}, /* 104 */
    {0, "--human"}, /* 105 */
    {0, "--human-readable"}, /* 106 */
    {1, "--ignore"}, /* 107 */
    {1, "--ignore-until-fixed"}, /* 108 */
    {1, "--implementation"}, /* 109 */
    {1, "--index"}, /* 110 */
    {1, "--index-strategy"}, /* 111 */
    {1, "--index-url"}, /* 112 */
    {0, "--inexact"}, /* 113 */
    {1, "--install-dir"}, /* 114 */
    {0, "--invert"}, /* 115 */
    {2, "--isolated"}, /* 116 */
    {1, "--keyring-provider"}, /* 117 */
    {0, "--lfs"}, /* 118 */
    {0, "--lib"}, /* 119 */
    {0, "--library"}, /* 120 */
    {3, "--link-mode"}, /* 121 */
    {0, "--list"}, /* 122 */
    {0, "--locked"}, /* 123 */
    {2, "--managed-python"}, /* 124 */
    {1, "--marker"}, /* 125 */
    {1, "--max-recursion-depth"}, /* 126 */
    {1, "--max-rounds"}, /* 127 */
    {1, "--metadata-directory"}, /* 128 */
    {1, "--mirror"}, /* 129 */
    {2, "--module"}, /* 130 */
    {1, "--name"}, /* 131 */
    {0, "--native-tls"}, /* 132 */
    {2, "--no-active"}, /* 133 */
    {0, "--no-all-extras"}, /* 134 */
    {0, "--no-allow-empty-requirements"}, /* 135 */
    {0, "--no-allow-unsafe"}, /* 136 */
    {0, "--no-annotate"}, /* 137 */
    {0, "--no-attestations"}, /* 138 */
    {0, "--no-bin"}, /* 139 */
    {0, "--no-binary"}, /* 140 */
    {1, "--no-binary"}, /* 141 */
    {1, "--no-binary-package"}, /* 142 */
    {0, "--no-break-system-packages"}, /* 143 */
    {0, "--no-build"}, /* 144 */
    {0, "--no-build-isolation"}, /* 145 */
    {1, "--no-build-isolation-package"}, /* 146 */
    {0, "--no-build-logs"}, /* 147 */
    {1, "--no-build-package"}, /* 148 */
    {2, "--no-cache"}, /* 149 */
    {2, "--no-cache-dir"}, /* 150 */
    {0, "--no-check"}, /* 151 */
    {0, "--no-clear"}, /* 152 */
    {0, "--no-color"}, /* 153 */
    {0, "--no-compile"}, /* 154 */
    {0, "--no-compile-bytecode"}, /* 155 */
    {2, "--no-config"}, /* 156 */
    {0, "--no-create-gitignore"}, /* 157 */
    {0, "--no-dedupe"}, /* 158 */
    {0, "--no-default-groups"}, /* 159 */
    {0, "--no-deps"}, /* 160 */
    {0, "--no-description"}, /* 161 */
    {0, "--no-dev"}, /* 162 */
    {0, "--no-editable"}, /* 163 */
    {1, "--no-editable-package"}, /* 164 */
    {0, "--no-emit-build-options"}, /* 165 */
    {0, "--no-emit-find-links"}, /* 166 */
    {0, "--no-emit-index-annotation"}, /* 167 */
    {0, "--no-emit-index-url"}, /* 168 */
    {0, "--no-emit-local"}, /* 169 */
    {0, "--no-emit-marker-expression"}, /* 170 */
    {0, "--no-emit-options"}, /* 171 */
    {1, "--no-emit-package"}, /* 172 */
    {0, "--no-emit-project"}, /* 173 */
    {0, "--no-emit-trusted-host"}, /* 174 */
    {0, "--no-emit-workspace"}, /* 175 */
    {2, "--no-env-file"}, /* 176 */
    {0, "--no-exact"}, /* 177 */
    {1, "--no-extra"}, /* 178 */
    {0, "--no-frozen"}, /* 179 */
    {0, "--no-generate-hashes"}, /* 180 */
    {1, "--no-group"}, /* 181 */
    {0, "--no-hashes"}, /* 182 */
    {0, "--no-header"}, /* 183 */
    {0, "--no-index"}, /* 184 */
    {0, "--no-install-local"}, /* 185 */
    {1, "--no-install-package"}, /* 186 */
    {0, "--no-install-project"}, /* 187 */
    {0, "--no-install-workspace"}, /* 188 */
    {0, "--no-installer-metadata"}, /* 189 */
    {0, "--no-locked"}, /* 190 */
    {2, "--no-managed-python"}, /* 191 */
    {0, "--no-native-tls"}, /* 192 */
    {2, "--no-offline"}, /* 193 */
    {0, "--no-outdated"}, /* 194 */
    {0, "--no-package"}, /* 195 */
    {0, "--no-pager"}, /* 196 */
    {0, "--no-pin-python"}, /* 197 */
    {0, "--no-pip"}, /* 198 */
    {2, "--no-preview"}, /* 199 */
    {0, "--no-progress"}, /* 200 */
    {0, "--no-project"}, /* 201 */
    {2, "--no-project"}, /* 202 */
    {0, "--no-python-downloads"}, /* 203 */
    {0, "--no-readme"}, /* 204 */
    {0, "--no-refresh"}, /* 205 */
    {0, "--no-registry"}, /* 206 */
    {0, "--no-reinstall"}, /* 207 */
    {0, "--no-relocatable"}, /* 208 */
    {0, "--no-require-build-hashes"}, /* 209 */
    {0, "--no-require-hashes"}, /* 210 */
    {0, "--no-resolved"}, /* 211 */
    {0, "--no-reuse-hashes"}, /* 212 */
    {0, "--no-seed"}, /* 213 */
    {0, "--no-setuptools"}, /* 214 */
    {0, "--no-sources"}, /* 215 */
    {1, "--no-sources-package"}, /* 216 */
    {0, "--no-strict"}, /* 217 */
    {0, "--no-strip-extras"}, /* 218 */
    {0, "--no-strip-markers"}, /* 219 */
    {2, "--no-sync"}, /* 220 */
    {2, "--no-system"}, /* 221 */
    {0, "--no-system-certs"}, /* 222 */
    {0, "--no-universal"}, /* 223 */
    {0, "--no-upgrade"}, /* 224 */
    {0, "--no-verify-hashes"}, /* 225 */
    {0, "--no-wheel"}, /* 226 */
    {0, "--no-workspace"}, /* 227 */
    {2, "--no-workspace"}, /* 228 */
    {2, "--no_workspace"}, /* 229 */
    {2, "--offline"}, /* 230 */
    {1, "--only-binary"}, /* 231 */
    {0, "--only-dev"}, /* 232 */
    {0, "--only-downloads"}, /* 233 */
    {0, "--only-emit-local"}, /* 234 */
    {1, "--only-emit-package"}, /* 235 */
    {0, "--only-emit-project"}, /* 236 */
    {0, "--only-emit-workspace"}, /* 237 */
    {1, "--only-group"}, /* 238 */
    {0, "--only-install-local"}, /* 239 */
    {1, "--only-install-package"}, /* 240 */
    {0, "--only-install-project"}, /* 241 */
    {0, "--only-install-workspace"}, /* 242 */
    {0, "--only-installed"}, /* 243 */
    {1, "--optional"}, /* 244 */
    {1, "--out-dir"}, /* 245 */
    {0, "--outdated"}, /* 246 */
    {1, "--output-file"}, /* 247 */
    {1, "--output-format"}, /* 248 */
    {1, "--output-version"}, /* 249 */
    {1, "--override"}, /* 250 */
    {1, "--overrides"}, /* 251 */
    {0, "--package"}, /* 252 */
    {1, "--package"}, /* 253 */
    {1, "--password"}, /* 254 */
    {1, "--path"}, /* 255 */
    {0, "--paths"}, /* 256 */
    {0, "--pin-python"}, /* 257 */
    {1, "--pip-args"}, /* 258 */
    {1, "--platform"}, /* 259 */
    {0, "--pre"}, /* 260 */
    {3, "--prefix"}, /* 261 */
    {1, "--prerelease"}, /* 262 */
    {1, "--prerelease-package"}, /* 263 */
    {2, "--preview"}, /* 264 */
    {3, "--preview-feature"}, /* 265 */
    {3, "--preview-features"}, /* 266 */
    {3, "--project"}, /* 267 */
    {1, "--prompt"}, /* 268 */
    {1, "--protocol"}, /* 269 */
    {1, "--prune"}, /* 270 */
    {1, "--publish-url"}, /* 271 */
    {1, "--pyodide-mirror"}, /* 272 */
    {1, "--pypy-mirror"}, /* 273 */
    {3, "--python"}, /* 274 */
    {1, "--python-downloads-json-url"}, /* 275 */
    {1, "--python-executable"}, /* 276 */
    {1, "--python-fetch"}, /* 277 */
    {1, "--python-platform"}, /* 278 */
    {3, "--python-preference"}, /* 279 */
    {1, "--python-version"}, /* 280 */
    {0, "--quiet"}, /* 281 */
    {0, "--raw"}, /* 282 */
    {0, "--raw-sources"}, /* 283 */
    {0, "--refresh"}, /* 284 */
    {1, "--refresh-package"}, /* 285 */
    {0, "--registry"}, /* 286 */
    {2, "--reinstall"}, /* 287 */
    {3, "--reinstall-package"}, /* 288 */
    {0, "--relocatable"}, /* 289 */
    {0, "--require-build-hashes"}, /* 290 */
    {0, "--require-hashes"}, /* 291 */
    {1, "--requirement"}, /* 292 */
    {1, "--requirements"}, /* 293 */
    {1, "--resolution"}, /* 294 */
    {0, "--resolve-links"}, /* 295 */
    {0, "--resolved"}, /* 296 */
    {1, "--resolver"}, /* 297 */
    {0, "--reuse-hashes"}, /* 298 */
    {1, "--rev"}, /* 299 */
    {0, "--reverse"}, /* 300 */
    {0, "--rm"}, /* 301 */
    {10, "--script"}, /* 302 */
    {11, "--script"}, /* 303 */
    {0, "--scripts"}, /* 304 */
    {0, "--sdist"}, /* 305 */
    {0, "--seed"}, /* 306 */
    {1, "--service-format"}, /* 307 */
    {1, "--service-url"}, /* 308 */
    {0, "--short"}, /* 309 */
    {0, "--show-command"}, /* 310 */
    {0, "--show-extras"}, /* 311 */
    {0, "--show-paths"}, /* 312 */
    {0, "--show-python"}, /* 313 */
    {0, "--show-resolution"}, /* 314 */
    {2, "--show-settings"}, /* 315 */
    {0, "--show-sizes"}, /* 316 */
    {0, "--show-urls"}, /* 317 */
    {0, "--show-version"}, /* 318 */
    {0, "--show-version-specifiers"}, /* 319 */
    {0, "--show-with"}, /* 320 */
    {0, "--skip-dependency-check"}, /* 321 */
    {0, "--skip-existing"}, /* 322 */
    {0, "--strict"}, /* 323 */
    {0, "--strip-extras"}, /* 324 */
    {0, "--strip-markers"}, /* 325 */
    {2, "--sync"}, /* 326 */
    {2, "--system"}, /* 327 */
    {0, "--system-certs"}, /* 328 */
    {0, "--system-site-packages"}, /* 329 */
    {1, "--tag"}, /* 330 */
    {3, "--target"}, /* 331 */
    {1, "--token"}, /* 332 */
    {1, "--torch-backend"}, /* 333 */
    {1, "--trusted-host"}, /* 334 */
    {1, "--trusted-publishing"}, /* 335 */
    {1, "--ty-version"}, /* 336 */
    {0, "--universal"}, /* 337 */
    {1, "--unsafe-package"}, /* 338 */
    {0, "--upgrade"}, /* 339 */
    {1, "--upgrade-group"}, /* 340 */
    {1, "--upgrade-package"}, /* 341 */
    {0, "--user"}, /* 342 */
    {1, "--username"}, /* 343 */
    {1, "--vcs"}, /* 344 */
    {0, "--verbose"}, /* 345 */
    {0, "--verify-hashes"}, /* 346 */
    {3, "--version"}, /* 347 */
    {6, "--version"}, /* 348 */
    {0, "--virtual"}, /* 349 */
    {0, "--wheel"}, /* 350 */
    {3, "--with"}, /* 351 */
    {3, "--with-editable"}, /* 352 */
    {1, "--with-executables-from"}, /* 353 */
    {3, "--with-requirements"}, /* 354 */
    {0, "--workspace"}, /* 355 */
    {0, "--yes"}, /* 356 */
    {1, "-C"}, /* 357 */
    {0, "-H"}, /* 358 */
    {1, "-P"}, /* 359 */
    {0, "-U"}, /* 360 */
    {6, "-V"}, /* 361 */
    {0, "-a"}, /* 362 */
    {1, "-b"}, /* 363 */
    {0, "-c"}, /* 364 */
    {1, "-c"}, /* 365 */
    {1, "-d"}, /* 366 */
    {0, "-e"}, /* 367 */
    {1, "-e"}, /* 368 */
    {0, "-f"}, /* 369 */
    {1, "-f"}, /* 370 */
    {6, "-h"}, /* 371 */
    {1, "-i"}, /* 372 */
    {1, "-m"}, /* 373 */
    {2, "-m"}, /* 374 */
    {2, "-n"}, /* 375 */
    {1, "-o"}, /* 376 */
    {1, "-p"}, /* 377 */
    {3, "-p"}, /* 378 */
    {0, "-q"}, /* 379 */
    {1, "-r"}, /* 380 */
    {2, "-r"}, /* 381 */
    {10, "-s"}, /* 382 */
    {1, "-t"}, /* 383 */
    {3, "-t"}, /* 384 */
    {1, "-u"}, /* 385 */
    {0, "-v"}, /* 386 */
    {3, "-w"}, /* 387 */
    {0, "-y"}, /* 388 */
};

static const unsigned short ACCEPTED[] = {
    /* uv */
    12, 13, 35, 44, 48, 65, 104, 116, 124, 132, 149, 150, 153, 156, 189, 191,
    192, 193, 199, 200, 203, 222, 230, 264, 265, 266, 267, 277, 279, 281, 315, 328,
    334, 345, 348, 361, 371, 375, 379, 386,
    /* uv add */
    1, 24, 25, 26, 28, 32, 45, 46, 49, 51, 52, 53, 54, 58, 62, 68,
    81, 82, 84, 85, 87, 91, 92, 95, 100, 110, 111, 112, 117, 118, 121, 123,
    125, 133, 140, 142, 144, 145, 146, 148, 154, 155, 163, 164, 179, 184, 185, 186,
    187, 188, 190, 205, 207, 209, 215, 216, 220, 224, 227, 239, 240, 241, 242, 244,
    253, 260, 262, 263, 274, 282, 283, 284, 285, 287, 288, 290, 292, 293, 294, 299,
    303, 330, 339, 340, 341, 355, 357, 359, 360, 365, 370, 372, 373, 378, 380,
    /* uv audit */
    4, 5, 24, 28, 32, 49, 51, 52, 58, 62, 81, 82, 84, 85, 87, 92,
    95, 100, 107, 108, 110, 111, 112, 117, 121, 123, 134, 140, 142, 144, 145, 146,
    148, 159, 162, 178, 179, 181, 184, 190, 209, 215, 216, 224, 232, 238, 248, 260,
    262, 263, 278, 280, 290, 294, 303, 307, 308, 339, 340, 341, 357, 359, 360, 370,
    372,
    /* uv auth helper */
    269,
    /* uv auth login */
    117, 254, 332, 343, 383, 385,
    /* uv auth logout */
    117, 343, 385,
    /* uv auth token */
    117, 343, 385,
    /* uv build */
    2, 6, 24, 28, 30, 31, 32, 33, 42, 49, 51, 52, 55, 58, 81, 82,
    85, 87, 90, 92, 110, 111, 112, 117, 121, 122, 140, 142, 144, 145, 146, 147,
    148, 157, 184, 205, 209, 210, 215, 216, 224, 225, 245, 253, 260, 262, 263, 274,
    284, 285, 290, 291, 294, 305, 321, 339, 340, 341, 346, 350, 357, 359, 360, 363,
    370, 372, 376, 378,
    /* uv build-backend build-editable */
    128,
    /* uv build-backend build-wheel */
    128,
    /* uv cache clean */
    89,
    /* uv cache prune */
    41, 89,
    /* uv cache size */
    105, 106, 248, 358,
    /* uv check */
    4, 5, 6, 24, 28, 32, 45, 46, 49, 51, 52, 58, 62, 81, 82, 84,
    85, 87, 88, 91, 92, 95, 100, 110, 111, 112, 117, 121, 123, 134, 140, 142,
    144, 145, 146, 148, 154, 155, 159, 162, 178, 179, 181, 184, 187, 190, 202, 205,
    207, 209, 215, 216, 220, 224, 232, 238, 253, 260, 262, 263, 274, 284, 285, 287,
    288, 290, 294, 303, 310, 318, 336, 339, 340, 341, 357, 359, 360, 370, 372, 378,
    /* uv export */
    4, 5, 6, 15, 22, 24, 28, 32, 49, 51, 52, 58, 62, 68, 71, 73,
    81, 82, 84, 85, 87, 92, 93, 95, 100, 102, 103, 110, 111, 112, 117, 121,
    123, 134, 137, 140, 142, 144, 145, 146, 148, 159, 162, 163, 164, 166, 168, 169,
    172, 173, 175, 178, 179, 181, 182, 183, 184, 185, 186, 187, 188, 190, 205, 209,
    215, 216, 224, 232, 234, 235, 236, 237, 238, 239, 240, 241, 242, 247, 253, 260,
    262, 263, 270, 274, 284, 285, 290, 294, 303, 339, 340, 341, 357, 359, 360, 370,
    372, 376, 378,
    /* uv format */
    38, 63, 81, 202, 318, 347,
    /* uv help */
    196,
    /* uv init */
    17, 18, 20, 21, 29, 61, 119, 120, 131, 161, 195, 197, 201, 204, 227, 252,
    257, 274, 302, 344, 349, 378,
    /* uv lock */
    24, 28, 32, 37, 39, 49, 51, 52, 58, 67, 81, 82, 85, 87, 92, 95,
    110, 111, 112, 117, 121, 123, 140, 142, 144, 145, 146, 148, 179, 184, 190, 205,
    209, 215, 216, 224, 260, 262, 263, 274, 284, 285, 290, 294, 303, 339, 340, 341,
    357, 359, 360, 370, 372, 378,
    /* uv pip */
    36,
    /* uv pip check */
    221, 274, 278, 280, 327, 378,
    /* uv pip compile */
    4, 14, 15, 16, 28, 30, 31, 32, 43, 47, 49, 51, 52, 53, 54, 56,
    58, 59, 70, 71, 72, 73, 74, 75, 76, 79, 81, 82, 83, 84, 85, 87,
    92, 93, 96, 100, 103, 110, 111, 112, 117, 121, 127, 134, 136, 137, 141, 144,
    145, 146, 160, 165, 166, 167, 168, 170, 171, 172, 174, 180, 183, 184, 205, 209,
    212, 215, 216, 218, 219, 221, 223, 224, 231, 247, 250, 251, 258, 260, 262, 263,
    274, 278, 280, 284, 285, 290, 294, 297, 298, 324, 325, 327, 333, 337, 338, 339,
    340, 341, 357, 359, 360, 363, 365, 370, 372, 376, 378,
    /* uv pip debug */
    0, 109, 259, 280,
    /* uv pip freeze */
    66, 79, 80, 217, 221, 255, 261, 274, 323, 327, 331, 378, 384,
    /* uv pip install */
    4, 27, 28, 30, 31, 32, 38, 45, 46, 49, 51, 52, 53, 54, 58, 59,
    66, 67, 69, 78, 79, 81, 82, 83, 84, 85, 87, 91, 92, 100, 110, 111,
    112, 113, 117, 121, 134, 141, 143, 144, 145, 146, 154, 155, 160, 163, 164, 177,
    184, 205, 207, 209, 210, 215, 216, 217, 221, 224, 225, 231, 248, 250, 251, 260,
    261, 262, 263, 274, 278, 280, 284, 285, 287, 288, 290, 291, 292, 293, 294, 323,
    327, 331, 333, 339, 340, 341, 342, 346, 357, 359, 360, 363, 365, 368, 370, 372,
    378, 380, 384,
    /* uv pip list */
    58, 66, 68, 79, 80, 81, 82, 85, 87, 93, 110, 111, 112, 117, 184, 194,
    217, 221, 246, 261, 274, 323, 327, 331, 367, 370, 372, 378, 384,
    /* uv pip show */
    66, 86, 217, 221, 261, 274, 323, 327, 331, 369, 378, 384,
    /* uv pip sync */
    4, 10, 19, 27, 28, 30, 31, 32, 38, 43, 45, 46, 47, 49, 51, 52,
    53, 54, 58, 67, 81, 82, 84, 85, 87, 91, 100, 110, 111, 112, 117, 121,
    134, 135, 141, 143, 144, 145, 154, 155, 184, 205, 207, 209, 210, 215, 216, 217,
    221, 225, 231, 248, 258, 261, 274, 276, 278, 280, 284, 285, 287, 288, 290, 291,
    323, 327, 331, 333, 342, 346, 357, 362, 363, 365, 370, 372, 378, 384,
    /* uv pip tree */
    58, 60, 66, 81, 82, 85, 87, 110, 111, 112, 115, 117, 158, 184, 217, 221,
    246, 253, 270, 274, 300, 316, 319, 323, 327, 366, 370, 372, 378,
    /* uv pip uninstall */
    27, 66, 67, 117, 143, 221, 261, 274, 292, 293, 327, 331, 356, 378, 380, 384,
    388,
    /* uv publish */
    40, 64, 67, 110, 117, 138, 254, 271, 322, 332, 335, 343, 377, 383, 385,
    /* uv python dir */
    23,
    /* uv python find */
    202, 221, 229, 275, 295, 303, 318, 327,
    /* uv python install */
    23, 45, 46, 57, 89, 99, 114, 129, 139, 154, 155, 206, 272, 273, 275, 286,
    287, 339, 360, 369, 372, 381,
    /* uv python list */
    3, 7, 8, 9, 233, 243, 248, 275, 317,
    /* uv python pin */
    98, 202, 211, 228, 275, 296, 301,
    /* uv python uninstall */
    2, 114, 372,
    /* uv python upgrade */
    45, 46, 99, 114, 129, 154, 155, 272, 273, 275, 287, 372, 381,
    /* uv remove */
    1, 24, 28, 32, 45, 46, 49, 51, 52, 58, 62, 81, 82, 85, 87, 91,
    92, 95, 100, 110, 111, 112, 117, 121, 123, 133, 140, 142, 144, 145, 146, 148,
    154, 155, 179, 184, 190, 205, 207, 209, 215, 216, 220, 224, 244, 253, 260, 262,
    263, 274, 284, 285, 287, 288, 290, 294, 303, 339, 340, 341, 357, 359, 360, 370,
    372, 378,
    /* uv run */
    1, 4, 5, 6, 24, 28, 32, 45, 46, 49, 51, 52, 58, 62, 68, 77,
    78, 81, 82, 84, 85, 87, 91, 92, 95, 100, 101, 110, 111, 112, 113, 116,
    117, 121, 123, 126, 130, 133, 134, 140, 142, 144, 145, 146, 148, 154, 155, 159,
    162, 163, 164, 176, 177, 178, 179, 181, 184, 190, 202, 205, 207, 209, 215, 216,
    220, 224, 229, 232, 238, 253, 260, 262, 263, 274, 278, 284, 285, 287, 288, 290,
    294, 302, 314, 339, 340, 341, 351, 352, 354, 357, 359, 360, 370, 372, 374, 378,
    382, 387,
    /* uv self update */
    67, 332,
    /* uv self version */
    248, 309,
    /* uv sync */
    1, 4, 5, 6, 24, 28, 32, 38, 45, 46, 49, 51, 52, 58, 62, 67,
    68, 78, 81, 82, 84, 85, 87, 91, 92, 95, 100, 110, 111, 112, 113, 117,
    121, 123, 133, 134, 140, 142, 144, 145, 146, 148, 151, 154, 155, 159, 162, 163,
    164, 177, 178, 179, 181, 184, 185, 186, 187, 188, 190, 205, 207, 209, 215, 216,
    224, 232, 238, 239, 240, 241, 242, 248, 253, 260, 262, 263, 274, 278, 284, 285,
    287, 288, 290, 294, 303, 339, 340, 341, 357, 359, 360, 370, 372, 378,
    /* uv tool audit */
    2, 107, 108, 248, 307, 308,
    /* uv tool dir */
    23,
    /* uv tool install */
    24, 28, 30, 31, 32, 45, 46, 49, 51, 52, 53, 54, 58, 68, 79, 81,
    82, 83, 85, 87, 89, 91, 92, 94, 110, 111, 112, 117, 118, 121, 140, 142,
    144, 145, 146, 148, 154, 155, 184, 205, 207, 209, 215, 216, 224, 250, 251, 260,
    262, 263, 274, 278, 284, 285, 287, 288, 290, 294, 333, 339, 340, 341, 351, 352,
    353, 354, 357, 359, 360, 363, 365, 367, 370, 372, 378, 387,
    /* uv tool list */
    81, 82, 194, 246, 311, 312, 313, 319, 320,
    /* uv tool run */
    24, 28, 30, 31, 32, 45, 46, 49, 51, 52, 53, 54, 58, 77, 81, 82,
    85, 87, 91, 92, 94, 97, 110, 111, 112, 116, 117, 118, 121, 140, 142, 144,
    145, 146, 148, 154, 155, 176, 184, 205, 207, 209, 215, 216, 224, 250, 251, 260,
    262, 263, 274, 278, 284, 285, 287, 288, 290, 294, 314, 333, 339, 340, 341, 351,
    352, 354, 357, 359, 360, 363, 365, 370, 372, 378, 387,
    /* uv tool uninstall */
    2,
    /* uv tool upgrade */
    2, 24, 28, 32, 45, 46, 49, 50, 51, 52, 58, 81, 82, 85, 87, 91,
    92, 110, 111, 112, 117, 121, 140, 142, 144, 145, 146, 148, 154, 155, 184, 207,
    209, 215, 216, 260, 262, 263, 274, 278, 287, 288, 290, 294, 339, 340, 341, 357,
    359, 360, 370, 372, 378,
    /* uv tree */
    5, 24, 28, 32, 49, 51, 52, 58, 60, 62, 81, 82, 85, 87, 92, 93,
    95, 100, 110, 111, 112, 115, 117, 121, 123, 140, 142, 144, 145, 146, 148, 158,
    159, 162, 179, 181, 184, 190, 209, 215, 216, 224, 232, 238, 246, 253, 260, 262,
    263, 270, 274, 278, 280, 290, 294, 300, 303, 316, 337, 339, 340, 341, 357, 359,
    360, 366, 370, 372, 378,
    /* uv upgrade */
    58, 79, 85, 87, 110, 111, 112, 117, 184, 209, 290, 370, 372,
    /* uv venv */
    11, 42, 58, 81, 82, 85, 87, 89, 110, 111, 112, 117, 121, 152, 184, 198,
    202, 205, 208, 213, 214, 221, 226, 228, 268, 274, 284, 285, 289, 306, 327, 329,
    364, 370, 372, 378,
    /* uv version */
    1, 24, 28, 32, 34, 45, 46, 49, 51, 52, 58, 67, 81, 82, 85, 87,
    91, 92, 95, 110, 111, 112, 117, 121, 123, 133, 140, 142, 144, 145, 146, 148,
    154, 155, 179, 184, 190, 205, 207, 209, 215, 216, 220, 224, 248, 253, 260, 262,
    263, 274, 284, 285, 287, 288, 290, 294, 309, 339, 340, 341, 357, 359, 360, 370,
    372, 378,
    /* uv workspace dir */
    253,
    /* uv workspace list */
    256, 304,
    /* uv workspace metadata */
    1, 24, 28, 32, 49, 51, 52, 58, 67, 78, 81, 82, 85, 87, 92, 95,
    110, 111, 112, 117, 121, 123, 140, 142, 144, 145, 146, 148, 179, 184, 190, 205,
    209, 215, 216, 224, 249, 260, 262, 263, 274, 284, 285, 290, 294, 303, 326, 339,
    340, 341, 357, 359, 360, 370, 372, 378,
};

static const struct command COMMANDS[] = {
    {0, 1, 0, 40}, /* 0 uv */
    {0, 0, 40, 135}, /* 1 uv add */
    {0, 0, 135, 200}, /* 2 uv audit */
    {0, 1, 200, 200}, /* 3 uv auth */
    {3, 0, 200, 200}, /* 4 uv auth dir */
    {3, 1, 200, 201}, /* 5 uv auth helper */
    {5, 0, 201, 201}, /* 6 uv auth helper get */
    {3, 0, 201, 207}, /* 7 uv auth login */
    {3, 0, 207, 210}, /* 8 uv auth logout */
    {3, 0, 210, 213}, /* 9 uv auth token */
    {0, 0, 213, 281}, /* 10 uv build */
    {0, 1, 281, 281}, /* 11 uv build-backend */
    {11, 0, 281, 282}, /* 12 uv build-backend build-editable */
    {11, 0, 282, 282}, /* 13 uv build-backend build-sdist */
    {11, 0, 282, 283}, /* 14 uv build-backend build-wheel */
    {11, 0, 283, 283}, /* 15 uv build-backend get-requires-for-build-editable */
    {11, 0, 283, 283}, /* 16 uv build-backend get-requires-for-build-sdist */
    {11, 0, 283, 283}, /* 17 uv build-backend get-requires-for-build-wheel */
    {11, 0, 283, 283}, /* 18 uv build-backend prepare-metadata-for-build-editable */
    {11, 0, 283, 283}, /* 19 uv build-backend prepare-metadata-for-build-wheel */
    {0, 1, 283, 283}, /* 20 uv cache */
    {20, 0, 283, 284}, /* 21 uv cache clean */
    {20, 0, 284, 284}, /* 22 uv cache dir */
    {20, 0, 284, 286}, /* 23 uv cache prune */
    {20, 0, 286, 290}, /* 24 uv cache size */
    {0, 0, 290, 370}, /* 25 uv check */
    {0, 0, 370, 469}, /* 26 uv export */
    {0, 0, 469, 475}, /* 27 uv format */
    {0, 0, 475, 475}, /* 28 uv generate-shell-completion */
    {0, 0, 475, 476}, /* 29 uv help */
    {0, 0, 476, 498}, /* 30 uv init */
    {0, 0, 498, 552}, /* 31 uv lock */
    {0, 1, 552, 553}, /* 32 uv pip */
    {32, 0, 553, 559}, /* 33 uv pip check */
    {32, 0, 559, 666}, /* 34 uv pip compile */
    {32, 0, 666, 670}, /* 35 uv pip debug */
    {32, 0, 670, 683}, /* 36 uv pip freeze */
    {32, 0, 683, 782}, /* 37 uv pip install */
    {32, 0, 782, 811}, /* 38 uv pip list */
    {32, 0, 811, 823}, /* 39 uv pip show */
    {32, 0, 823, 901}, /* 40 uv pip sync */
    {32, 0, 901, 930}, /* 41 uv pip tree */
    {32, 0, 930, 947}, /* 42 uv pip uninstall */
    {0, 0, 947, 962}, /* 43 uv publish */
    {0, 1, 962, 962}, /* 44 uv python */
    {44, 0, 962, 963}, /* 45 uv python dir */
    {44, 0, 963, 971}, /* 46 uv python find */
    {44, 0, 971, 993}, /* 47 uv python install */
    {44, 0, 993, 1002}, /* 48 uv python list */
    {44, 0, 1002, 1009}, /* 49 uv python pin */
    {44, 0, 1009, 1012}, /* 50 uv python uninstall */
    {44, 0, 1012, 1012}, /* 51 uv python update-shell */
    {44, 0, 1012, 1025}, /* 52 uv python upgrade */
    {0, 0, 1025, 1091}, /* 53 uv remove */
    {0, 2, 1091, 1189}, /* 54 uv run */
    {0, 1, 1189, 1189}, /* 55 uv self */
    {55, 0, 1189, 1191}, /* 56 uv self update */
    {55, 0, 1191, 1193}, /* 57 uv self version */
    {0, 0, 1193, 1287}, /* 58 uv sync */
    {0, 1, 1287, 1287}, /* 59 uv tool */
    {59, 0, 1287, 1293}, /* 60 uv tool audit */
    {59, 0, 1293, 1294}, /* 61 uv tool dir */
    {59, 4, 1294, 1370}, /* 62 uv tool install */
    {59, 0, 1370, 1379}, /* 63 uv tool list */
    {59, 10, 1379, 1454}, /* 64 uv tool run */
    {59, 0, 1454, 1455}, /* 65 uv tool uninstall */
    {59, 0, 1455, 1455}, /* 66 uv tool update-shell */
    {59, 4, 1455, 1508}, /* 67 uv tool upgrade */
    {0, 0, 1508, 1577}, /* 68 uv tree */
    {0, 0, 1577, 1590}, /* 69 uv upgrade */
    {0, 4, 1590, 1626}, /* 70 uv venv */
    {0, 4, 1626, 1692}, /* 71 uv version */
    {0, 1, 1692, 1692}, /* 72 uv workspace */
    {72, 0, 1692, 1693}, /* 73 uv workspace dir */
    {72, 0, 1693, 1695}, /* 74 uv workspace list */
    {72, 0, 1695, 1751}, /* 75 uv workspace metadata */
};

static const struct subcommand SUBCOMMANDS[] = {
    {0, 28, "--generate-shell-completion"},
    {0, 1, "add"},
    {0, 2, "audit"},
    {0, 3, "auth"},
    {0, 10, "build"},
    {0, 11, "build-backend"},
    {0, 20, "cache"},
    {0, 25, "check"},
    {0, 21, "clean"},
    {0, 26, "export"},
    {0, 27, "format"},
    {0, 28, "generate-shell-completion"},
    {0, 29, "help"},
    {0, 30, "init"},
    {0, 31, "lock"},
    {0, 32, "pip"},
    {0, 43, "publish"},
    {0, 44, "python"},
    {0, 53, "remove"},
    {0, 54, "run"},
    {0, 55, "self"},
    {0, 58, "sync"},
    {0, 59, "tool"},
    {0, 68, "tree"},
    {0, 69, "upgrade"},
    {0, 70, "v"},
    {0, 70, "venv"},
    {0, 71, "version"},
    {0, 70, "virtualenv"},
    {0, 72, "workspace"},
    {3, 4, "dir"},
    {3, 5, "helper"},
    {3, 7, "login"},
    {3, 8, "logout"},
    {3, 9, "token"},
    {5, 6, "get"},
    {11, 12, "build-editable"},
    {11, 13, "build-sdist"},
    {11, 14, "build-wheel"},
    {11, 15, "get-requires-for-build-editable"},
    {11, 16, "get-requires-for-build-sdist"},
    {11, 17, "get-requires-for-build-wheel"},
    {11, 18, "prepare-metadata-for-build-editable"},
    {11, 19, "prepare-metadata-for-build-wheel"},
    {20, 21, "clean"},
    {20, 21, "clear"},
    {20, 22, "dir"},
    {20, 23, "prune"},
    {20, 24, "size"},
    {32, 33, "check"},
    {32, 34, "compile"},
    {32, 35, "debug"},
    {32, 36, "freeze"},
    {32, 37, "install"},
    {32, 38, "list"},
    {32, 38, "ls"},
    {32, 39, "show"},
    {32, 40, "sync"},
    {32, 41, "tree"},
    {32, 42, "uninstall"},
    {44, 45, "dir"},
    {44, 51, "ensurepath"},
    {44, 46, "find"},
    {44, 47, "install"},
    {44, 48, "list"},
    {44, 48, "ls"},
    {44, 49, "pin"},
    {44, 50, "uninstall"},
    {44, 51, "update-shell"},
    {44, 52, "upgrade"},
    {55, 56, "update"},
    {55, 57, "version"},
    {59, 60, "audit"},
    {59, 61, "dir"},
    {59, 66, "ensurepath"},
    {59, 62, "install"},
    {59, 63, "list"},
    {59, 63, "ls"},
    {59, 64, "run"},
    {59, 65, "uninstall"},
    {59, 67, "update"},
    {59, 66, "update-shell"},
    {59, 67, "upgrade"},
    {59, 64, "uvx"},
    {72, 73, "dir"},
    {72, 74, "list"},
    {72, 75, "metadata"},
};

#endif
