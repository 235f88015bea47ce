/* Made by shims/generate_tables.py from uvx_policy: do not edit.
 *
 * Fixed arrays of characters instead of pointers: nothing to relocate when the launcher starts.
 */
#ifndef LINKPOLICY_TABLES_H
#define LINKPOLICY_TABLES_H

enum { TAKES_VALUE = 1, SIGNIFICANT = 2, PRINTS = 4, SCRIPT_FLAG = 8, DETAIL = 16 };

struct option {
    unsigned char flags;
    char spelling[30];
};

enum {
    NAMESPACE = 1,
    EXTERNAL = 2,
    KEEPS_POSITIONALS = 4,
    TARGET_IS_PLAIN = 8,
    DETAILED_POSITIONALS = 16
};

struct command {
    unsigned char parent; /* whose options count here as well; uv itself is its own */
    unsigned char flags;
    unsigned short first, end; /* its options: OPTIONS[ACCEPTED[index]], end not included */
};

struct subcommand {
    unsigned char below, command;
    char word[36];
};

#define KEY_FORMAT "linkpolicy-key-v2:d7b18ede01932780"
#define GUARD_NAME "_LINKPOLICY_ACTIVE"
#define MARKER "linkpolicy-shim-v1"
#define PROGRAM_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
#define PLAIN "_"
#define DETAILED "+"
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
    "UV_BUILD_CONSTRAINT",
    "UV_CACHE_DIR",
    "UV_CONFIG_FILE",
    "UV_CONSTRAINT",
    "UV_ENV_FILE",
    "UV_EXCLUDE_NEWER",
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
    "UV_OVERRIDE",
    "UV_PRERELEASE",
    "UV_PREVIEW",
    "UV_PREVIEW_FEATURES",
    "UV_PROJECT",
    "UV_PROJECT_ENVIRONMENT",
    "UV_PYTHON",
    "UV_PYTHON_PREFERENCE",
    "UV_PYTHON_SEARCH_PATH",
    "UV_RESOLUTION",
    "UV_SYSTEM_PYTHON",
    "UV_TOOL_DIR",
    "UV_VENV_SEED",
    "UV_WORKING_DIR",
    "UV_WORKING_DIRECTORY",
    "APPDATA",
    "LOCALAPPDATA",
    "ONEDRIVE",
    "ONEDRIVECOMMERCIAL",
    "ONEDRIVECONSUMER",
    "PROGRAMDATA",
    "SYSTEMDRIVE",
    "USERPROFILE",
};

static const struct option OPTIONS[] = {
    {1, "--abi"}, /* 0 */
    {2, "--active"}, /* 1 */
    {0, "--all"}, /* 2 */
    {0, "--all-arches"}, /* 3 */
    {16, "--all-extras"}, /* 4 */
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
    {17, "--build-constraint"}, /* 30 */
    {17, "--build-constraints"}, /* 31 */
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
    {17, "--constraint"}, /* 53 */
    {17, "--constraints"}, /* 54 */
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
    {16, "--editable"}, /* 68 */
    {17, "--editable"}, /* 69 */
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
    {17, "--exclude"}, /* 80 */
    {0, "--exclude-editable"}, /* 81 */
    {17, "--exclude-newer"}, /* 82 */
    {1, "--exclude-newer-package"}, /* 83 */
    {17, "--excludes"}, /* 84 */
    {17, "--extra"}, /* 85 */
    {1, "--extra-index-url"}, /* 86 */
    {0, "--files"}, /* 87 */
    {1, "--find-links"}, /* 88 */
    {0, "--fix"}, /* 89 */
    {0, "--force"}, /* 90 */
    {0, "--force-pep517"}, /* 91 */
    {2, "--force-reinstall"}, /* 92 */
    {1, "--fork-strategy"}, /* 93 */
    {1, "--format"}, /* 94 */
    {17, "--from"}, /* 95 */
    {2, "--frozen"}, /* 96 */
    {0, "--generate-hashes"}, /* 97 */
    {3, "--generate-shell-completion"}, /* 98 */
    {0, "--global"}, /* 99 */
    {1, "--graalpy-mirror"}, /* 100 */
    {17, "--group"}, /* 101 */
    {10, "--gui-script"}, /* 102 */
    {0, "--hashes"}, /* 103 */
    {0, "--header"}, /* 104 */
    {6, "--help"}, /* 105 */
    {0, "--human"}, /* 106 */
    {0, "--human-readable"}, /* 107 */
    {1, "--ignore"}, /* 108 */
    {1, "--ignore-until-fixed"}, /* 109 */
    {1, "--implementation"}, /* 110 */
    {1, "--index"}, /* 111 */
    {1, "--index-strategy"}, /* 112 */
    {1, "--index-url"}, /* 113 */
    {0, "--inexact"}, /* 114 */
    {1, "--install-dir"}, /* 115 */
    {0, "--invert"}, /* 116 */
    {2, "--isolated"}, /* 117 */
    {1, "--keyring-provider"}, /* 118 */
    {0, "--lfs"}, /* 119 */
    {0, "--lib"}, /* 120 */
    {0, "--library"}, /* 121 */
    {3, "--link-mode"}, /* 122 */
    {0, "--list"}, /* 123 */
    {0, "--locked"}, /* 124 */
    {2, "--managed-python"}, /* 125 */
    {1, "--marker"}, /* 126 */
    {1, "--max-recursion-depth"}, /* 127 */
    {1, "--max-rounds"}, /* 128 */
    {1, "--metadata-directory"}, /* 129 */
    {1, "--mirror"}, /* 130 */
    {2, "--module"}, /* 131 */
    {1, "--name"}, /* 132 */
    {0, "--native-tls"}, /* 133 */
    {2, "--no-active"}, /* 134 */
    {0, "--no-all-extras"}, /* 135 */
    {0, "--no-allow-empty-requirements"}, /* 136 */
    {0, "--no-allow-unsafe"}, /* 137 */
    {0, "--no-annotate"}, /* 138 */
    {0, "--no-attestations"}, /* 139 */
    {0, "--no-bin"}, /* 140 */
    {0, "--no-binary"}, /* 141 */
    {1, "--no-binary"}, /* 142 */
    {1, "--no-binary-package"}, /* 143 */
    {0, "--no-break-system-packages"}, /* 144 */
    {0, "--no-build"}, /* 145 */
    {0, "--no-build-isolation"}, /* 146 */
    {1, "--no-build-isolation-package"}, /* 147 */
    {0, "--no-build-logs"}, /* 148 */
    {1, "--no-build-package"}, /* 149 */
    {2, "--no-cache"}, /* 150 */
    {2, "--no-cache-dir"}, /* 151 */
    {0, "--no-check"}, /* 152 */
    {0, "--no-clear"}, /* 153 */
    {0, "--no-color"}, /* 154 */
    {0, "--no-compile"}, /* 155 */
    {0, "--no-compile-bytecode"}, /* 156 */
    {2, "--no-config"}, /* 157 */
    {0, "--no-create-gitignore"}, /* 158 */
    {0, "--no-dedupe"}, /* 159 */
    {0, "--no-default-groups"}, /* 160 */
    {16, "--no-deps"}, /* 161 */
    {0, "--no-description"}, /* 162 */
    {0, "--no-dev"}, /* 163 */
    {0, "--no-editable"}, /* 164 */
    {1, "--no-editable-package"}, /* 165 */
    {0, "--no-emit-build-options"}, /* 166 */
    {0, "--no-emit-find-links"}, /* 167 */
    {0, "--no-emit-index-annotation"}, /* 168 */
    {0, "--no-emit-index-url"}, /* 169 */
    {0, "--no-emit-local"}, /* 170 */
    {0, "--no-emit-marker-expression"}, /* 171 */
    {0, "--no-emit-options"}, /* 172 */
    {1, "--no-emit-package"}, /* 173 */
    {0, "--no-emit-project"}, /* 174 */
    {0, "--no-emit-trusted-host"}, /* 175 */
    {0, "--no-emit-workspace"}, /* 176 */
    {2, "--no-env-file"}, /* 177 */
    {0, "--no-exact"}, /* 178 */
    {1, "--no-extra"}, /* 179 */
    {0, "--no-frozen"}, /* 180 */
    {0, "--no-generate-hashes"}, /* 181 */
    {1, "--no-group"}, /* 182 */
    {0, "--no-hashes"}, /* 183 */
    {0, "--no-header"}, /* 184 */
    {0, "--no-index"}, /* 185 */
    {0, "--no-install-local"}, /* 186 */
    {1, "--no-install-package"}, /* 187 */
    {0, "--no-install-project"}, /* 188 */
    {0, "--no-install-workspace"}, /* 189 */
    {0, "--no-installer-metadata"}, /* 190 */
    {0, "--no-locked"}, /* 191 */
    {2, "--no-managed-python"}, /* 192 */
    {0, "--no-native-tls"}, /* 193 */
    {2, "--no-offline"}, /* 194 */
    {0, "--no-outdated"}, /* 195 */
    {0, "--no-package"}, /* 196 */
    {0, "--no-pager"}, /* 197 */
    {0, "--no-pin-python"}, /* 198 */
    {0, "--no-pip"}, /* 199 */
    {2, "--no-preview"}, /* 200 */
    {0, "--no-progress"}, /* 201 */
    {0, "--no-project"}, /* 202 */
    {2, "--no-project"}, /* 203 */
    {0, "--no-python-downloads"}, /* 204 */
    {0, "--no-readme"}, /* 205 */
    {0, "--no-refresh"}, /* 206 */
    {0, "--no-registry"}, /* 207 */
    {0, "--no-reinstall"}, /* 208 */
    {0, "--no-relocatable"}, /* 209 */
    {0, "--no-require-build-hashes"}, /* 210 */
    {0, "--no-require-hashes"}, /* 211 */
    {0, "--no-resolved"}, /* 212 */
    {0, "--no-reuse-hashes"}, /* 213 */
    {0, "--no-seed"}, /* 214 */
    {0, "--no-setuptools"}, /* 215 */
    {0, "--no-sources"}, /* 216 */
    {1, "--no-sources-package"}, /* 217 */
    {0, "--no-strict"}, /* 218 */
    {0, "--no-strip-extras"}, /* 219 */
    {0, "--no-strip-markers"}, /* 220 */
    {2, "--no-sync"}, /* 221 */
    {2, "--no-system"}, /* 222 */
    {0, "--no-system-certs"}, /* 223 */
    {0, "--no-universal"}, /* 224 */
    {0, "--no-upgrade"}, /* 225 */
    {0, "--no-verify-hashes"}, /* 226 */
    {0, "--no-wheel"}, /* 227 */
    {0, "--no-workspace"}, /* 228 */
    {2, "--no-workspace"}, /* 229 */
    {2, "--no_workspace"}, /* 230 */
    {2, "--offline"}, /* 231 */
    {1, "--only-binary"}, /* 232 */
    {0, "--only-dev"}, /* 233 */
    {0, "--only-downloads"}, /* 234 */
    {0, "--only-emit-local"}, /* 235 */
    {1, "--only-emit-package"}, /* 236 */
    {0, "--only-emit-project"}, /* 237 */
    {0, "--only-emit-workspace"}, /* 238 */
    {1, "--only-group"}, /* 239 */
    {0, "--only-install-local"}, /* 240 */
    {1, "--only-install-package"}, /* 241 */
    {0, "--only-install-project"}, /* 242 */
    {0, "--only-install-workspace"}, /* 243 */
    {0, "--only-installed"}, /* 244 */
    {1, "--optional"}, /* 245 */
    {1, "--out-dir"}, /* 246 */
    {0, "--outdated"}, /* 247 */
    {1, "--output-file"}, /* 248 */
    {1, "--output-format"}, /* 249 */
    {1, "--output-version"}, /* 250 */
    {17, "--override"}, /* 251 */
    {17, "--overrides"}, /* 252 */
    {0, "--package"}, /* 253 */
    {1, "--package"}, /* 254 */
    {1, "--password"}, /* 255 */
    {1, "--path"}, /* 256 */
    {0, "--paths"}, /* 257 */
    {0, "--pin-python"}, /* 258 */
    {1, "--pip-args"}, /* 259 */
    {1, "--platform"}, /* 260 */
    {16, "--pre"}, /* 261 */
    {3, "--prefix"}, /* 262 */
    {17, "--prerelease"}, /* 263 */
    {1, "--prerelease-package"}, /* 264 */
    {2, "--preview"}, /* 265 */
    {3, "--preview-feature"}, /* 266 */
    {3, "--preview-features"}, /* 267 */
    {3, "--project"}, /* 268 */
    {1, "--prompt"}, /* 269 */
    {1, "--protocol"}, /* 270 */
    {1, "--prune"}, /* 271 */
    {1, "--publish-url"}, /* 272 */
    {1, "--pyodide-mirror"}, /* 273 */
    {1, "--pypy-mirror"}, /* 274 */
    {3, "--python"}, /* 275 */
    {1, "--python-downloads-json-url"}, /* 276 */
    {1, "--python-executable"}, /* 277 */
    {1, "--python-fetch"}, /* 278 */
    {1, "--python-platform"}, /* 279 */
    {3, "--python-preference"}, /* 280 */
    {1, "--python-version"}, /* 281 */
    {0, "--quiet"}, /* 282 */
    {0, "--raw"}, /* 283 */
    {0, "--raw-sources"}, /* 284 */
    {0, "--refresh"}, /* 285 */
    {1, "--refresh-package"}, /* 286 */
    {0, "--registry"}, /* 287 */
    {2, "--reinstall"}, /* 288 */
    {3, "--reinstall-package"}, /* 289 */
    {0, "--relocatable"}, /* 290 */
    {0, "--require-build-hashes"}, /* 291 */
    {0, "--require-hashes"}, /* 292 */
    {17, "--requirement"}, /* 293 */
    {17, "--requirements"}, /* 294 */
    {17, "--resolution"}, /* 295 */
    {0, "--resolve-links"}, /* 296 */
    {0, "--resolved"}, /* 297 */
    {1, "--resolver"}, /* 298 */
    {0, "--reuse-hashes"}, /* 299 */
    {1, "--rev"}, /* 300 */
    {0, "--reverse"}, /* 301 */
    {0, "--rm"}, /* 302 */
    {10, "--script"}, /* 303 */
    {11, "--script"}, /* 304 */
    {0, "--scripts"}, /* 305 */
    {0, "--sdist"}, /* 306 */
    {16, "--seed"}, /* 307 */
    {1, "--service-format"}, /* 308 */
    {1, "--service-url"}, /* 309 */
    {0, "--short"}, /* 310 */
    {0, "--show-command"}, /* 311 */
    {0, "--show-extras"}, /* 312 */
    {0, "--show-paths"}, /* 313 */
    {0, "--show-python"}, /* 314 */
    {0, "--show-resolution"}, /* 315 */
    {2, "--show-settings"}, /* 316 */
    {0, "--show-sizes"}, /* 317 */
    {0, "--show-urls"}, /* 318 */
    {0, "--show-version"}, /* 319 */
    {0, "--show-version-specifiers"}, /* 320 */
    {0, "--show-with"}, /* 321 */
    {0, "--skip-dependency-check"}, /* 322 */
    {0, "--skip-existing"}, /* 323 */
    {0, "--strict"}, /* 324 */
    {0, "--strip-extras"}, /* 325 */
    {0, "--strip-markers"}, /* 326 */
    {2, "--sync"}, /* 327 */
    {2, "--system"}, /* 328 */
    {0, "--system-certs"}, /* 329 */
    {0, "--system-site-packages"}, /* 330 */
    {1, "--tag"}, /* 331 */
    {3, "--target"}, /* 332 */
    {1, "--token"}, /* 333 */
    {1, "--torch-backend"}, /* 334 */
    {1, "--trusted-host"}, /* 335 */
    {1, "--trusted-publishing"}, /* 336 */
    {1, "--ty-version"}, /* 337 */
    {0, "--universal"}, /* 338 */
    {1, "--unsafe-package"}, /* 339 */
    {16, "--upgrade"}, /* 340 */
    {17, "--upgrade-group"}, /* 341 */
    {17, "--upgrade-package"}, /* 342 */
    {0, "--user"}, /* 343 */
    {1, "--username"}, /* 344 */
    {1, "--vcs"}, /* 345 */
    {0, "--verbose"}, /* 346 */
    {0, "--verify-hashes"}, /* 347 */
    {3, "--version"}, /* 348 */
    {6, "--version"}, /* 349 */
    {0, "--virtual"}, /* 350 */
    {0, "--wheel"}, /* 351 */
    {3, "--with"}, /* 352 */
    {3, "--with-editable"}, /* 353 */
    {17, "--with-executables-from"}, /* 354 */
    {3, "--with-requirements"}, /* 355 */
    {0, "--workspace"}, /* 356 */
    {0, "--yes"}, /* 357 */
    {1, "-C"}, /* 358 */
    {0, "-H"}, /* 359 */
    {17, "-P"}, /* 360 */
    {16, "-U"}, /* 361 */
    {6, "-V"}, /* 362 */
    {0, "-a"}, /* 363 */
    {17, "-b"}, /* 364 */
    {0, "-c"}, /* 365 */
    {17, "-c"}, /* 366 */
    {1, "-d"}, /* 367 */
    {16, "-e"}, /* 368 */
    {17, "-e"}, /* 369 */
    {0, "-f"}, /* 370 */
    {1, "-f"}, /* 371 */
    {6, "-h"}, /* 372 */
    {1, "-i"}, /* 373 */
    {1, "-m"}, /* 374 */
    {2, "-m"}, /* 375 */
    {2, "-n"}, /* 376 */
    {1, "-o"}, /* 377 */
    {1, "-p"}, /* 378 */
    {3, "-p"}, /* 379 */
    {0, "-q"}, /* 380 */
    {2, "-r"}, /* 381 */
    {17, "-r"}, /* 382 */
    {10, "-s"}, /* 383 */
    {1, "-t"}, /* 384 */
    {3, "-t"}, /* 385 */
    {1, "-u"}, /* 386 */
    {0, "-v"}, /* 387 */
    {3, "-w"}, /* 388 */
    {0, "-y"}, /* 389 */
};

static const unsigned short ACCEPTED[] = {
    /* uv */
    12, 13, 35, 44, 48, 65, 105, 117, 125, 133, 150, 151, 154, 157, 190, 192,
    193, 194, 200, 201, 204, 223, 231, 265, 266, 267, 268, 278, 280, 282, 316, 329,
    335, 346, 349, 362, 372, 376, 380, 387,
    /* uv add */
    1, 24, 25, 26, 28, 32, 45, 46, 49, 51, 52, 53, 54, 58, 62, 68,
    82, 83, 85, 86, 88, 92, 93, 96, 101, 111, 112, 113, 118, 119, 122, 124,
    126, 134, 141, 143, 145, 146, 147, 149, 155, 156, 164, 165, 180, 185, 186, 187,
    188, 189, 191, 206, 208, 210, 216, 217, 221, 225, 228, 240, 241, 242, 243, 245,
    254, 261, 263, 264, 275, 283, 284, 285, 286, 288, 289, 291, 293, 294, 295, 300,
    304, 331, 340, 341, 342, 356, 358, 360, 361, 366, 371, 373, 374, 379, 382,
    /* uv audit */
    4, 5, 24, 28, 32, 49, 51, 52, 58, 62, 82, 83, 85, 86, 88, 93,
    96, 101, 108, 109, 111, 112, 113, 118, 122, 124, 135, 141, 143, 145, 146, 147,
    149, 160, 163, 179, 180, 182, 185, 191, 210, 216, 217, 225, 233, 239, 249, 261,
    263, 264, 279, 281, 291, 295, 304, 308, 309, 340, 341, 342, 358, 360, 361, 371,
    373,
    /* uv auth helper */
    270,
    /* uv auth login */
    118, 255, 333, 344, 384, 386,
    /* uv auth logout */
    118, 344, 386,
    /* uv auth token */
    118, 344, 386,
    /* uv build */
    2, 6, 24, 28, 30, 31, 32, 33, 42, 49, 51, 52, 55, 58, 82, 83,
    86, 88, 91, 93, 111, 112, 113, 118, 122, 123, 141, 143, 145, 146, 147, 148,
    149, 158, 185, 206, 210, 211, 216, 217, 225, 226, 246, 254, 261, 263, 264, 275,
    285, 286, 291, 292, 295, 306, 322, 340, 341, 342, 347, 351, 358, 360, 361, 364,
    371, 373, 377, 379,
    /* uv build-backend build-editable */
    129,
    /* uv build-backend build-wheel */
    129,
    /* uv cache clean */
    90,
    /* uv cache prune */
    41, 90,
    /* uv cache size */
    106, 107, 249, 359,
    /* uv check */
    4, 5, 6, 24, 28, 32, 45, 46, 49, 51, 52, 58, 62, 82, 83, 85,
    86, 88, 89, 92, 93, 96, 101, 111, 112, 113, 118, 122, 124, 135, 141, 143,
    145, 146, 147, 149, 155, 156, 160, 163, 179, 180, 182, 185, 188, 191, 203, 206,
    208, 210, 216, 217, 221, 225, 233, 239, 254, 261, 263, 264, 275, 285, 286, 288,
    289, 291, 295, 304, 311, 319, 337, 340, 341, 342, 358, 360, 361, 371, 373, 379,
    /* uv export */
    4, 5, 6, 15, 22, 24, 28, 32, 49, 51, 52, 58, 62, 68, 71, 73,
    82, 83, 85, 86, 88, 93, 94, 96, 101, 103, 104, 111, 112, 113, 118, 122,
    124, 135, 138, 141, 143, 145, 146, 147, 149, 160, 163, 164, 165, 167, 169, 170,
    173, 174, 176, 179, 180, 182, 183, 184, 185, 186, 187, 188, 189, 191, 206, 210,
    216, 217, 225, 233, 235, 236, 237, 238, 239, 240, 241, 242, 243, 248, 254, 261,
    263, 264, 271, 275, 285, 286, 291, 295, 304, 340, 341, 342, 358, 360, 361, 371,
    373, 377, 379,
    /* uv format */
    38, 63, 82, 203, 319, 348,
    /* uv help */
    197,
    /* uv init */
    17, 18, 20, 21, 29, 61, 120, 121, 132, 162, 196, 198, 202, 205, 228, 253,
    258, 275, 303, 345, 350, 379,
    /* uv lock */
    24, 28, 32, 37, 39, 49, 51, 52, 58, 67, 82, 83, 86, 88, 93, 96,
    111, 112, 113, 118, 122, 124, 141, 143, 145, 146, 147, 149, 180, 185, 191, 206,
    210, 216, 217, 225, 261, 263, 264, 275, 285, 286, 291, 295, 304, 340, 341, 342,
    358, 360, 361, 371, 373, 379,
    /* uv pip */
    36,
    /* uv pip check */
    222, 275, 279, 281, 328, 379,
    /* uv pip compile */
    4, 14, 15, 16, 28, 30, 31, 32, 43, 47, 49, 51, 52, 53, 54, 56,
    58, 59, 70, 71, 72, 73, 74, 75, 76, 80, 82, 83, 84, 85, 86, 88,
    93, 94, 97, 101, 104, 111, 112, 113, 118, 122, 128, 135, 137, 138, 142, 145,
    146, 147, 161, 166, 167, 168, 169, 171, 172, 173, 175, 181, 184, 185, 206, 210,
    213, 216, 217, 219, 220, 222, 224, 225, 232, 248, 251, 252, 259, 261, 263, 264,
    275, 279, 281, 285, 286, 291, 295, 298, 299, 325, 326, 328, 334, 338, 339, 340,
    341, 342, 358, 360, 361, 364, 366, 371, 373, 377, 379,
    /* uv pip debug */
    0, 110, 260, 281,
    /* uv pip freeze */
    66, 79, 81, 218, 222, 256, 262, 275, 324, 328, 332, 379, 385,
    /* uv pip install */
    4, 27, 28, 30, 31, 32, 38, 45, 46, 49, 51, 52, 53, 54, 58, 59,
    66, 67, 69, 78, 80, 82, 83, 84, 85, 86, 88, 92, 93, 101, 111, 112,
    113, 114, 118, 122, 135, 142, 144, 145, 146, 147, 155, 156, 161, 164, 165, 178,
    185, 206, 208, 210, 211, 216, 217, 218, 222, 225, 226, 232, 249, 251, 252, 261,
    262, 263, 264, 275, 279, 281, 285, 286, 288, 289, 291, 292, 293, 294, 295, 324,
    328, 332, 334, 340, 341, 342, 343, 347, 358, 360, 361, 364, 366, 369, 371, 373,
    379, 382, 385,
    /* uv pip list */
    58, 66, 68, 79, 81, 82, 83, 86, 88, 94, 111, 112, 113, 118, 185, 195,
    218, 222, 247, 262, 275, 324, 328, 332, 368, 371, 373, 379, 385,
    /* uv pip show */
    66, 87, 218, 222, 262, 275, 324, 328, 332, 370, 379, 385,
    /* uv pip sync */
    4, 10, 19, 27, 28, 30, 31, 32, 38, 43, 45, 46, 47, 49, 51, 52,
    53, 54, 58, 67, 82, 83, 85, 86, 88, 92, 101, 111, 112, 113, 118, 122,
    135, 136, 142, 144, 145, 146, 155, 156, 185, 206, 208, 210, 211, 216, 217, 218,
    222, 226, 232, 249, 259, 262, 275, 277, 279, 281, 285, 286, 288, 289, 291, 292,
    324, 328, 332, 334, 343, 347, 358, 363, 364, 366, 371, 373, 379, 385,
    /* uv pip tree */
    58, 60, 66, 82, 83, 86, 88, 111, 112, 113, 116, 118, 159, 185, 218, 222,
    247, 254, 271, 275, 301, 317, 320, 324, 328, 367, 371, 373, 379,
    /* uv pip uninstall */
    27, 66, 67, 118, 144, 222, 262, 275, 293, 294, 328, 332, 357, 379, 382, 385,
    389,
    /* uv publish */
    40, 64, 67, 111, 118, 139, 255, 272, 323, 333, 336, 344, 378, 384, 386,
    /* uv python dir */
    23,
    /* uv python find */
    203, 222, 230, 276, 296, 304, 319, 328,
    /* uv python install */
    23, 45, 46, 57, 90, 100, 115, 130, 140, 155, 156, 207, 273, 274, 276, 287,
    288, 340, 361, 370, 373, 381,
    /* uv python list */
    3, 7, 8, 9, 234, 244, 249, 276, 318,
    /* uv python pin */
    99, 203, 212, 229, 276, 297, 302,
    /* uv python uninstall */
    2, 115, 373,
    /* uv python upgrade */
    45, 46, 100, 115, 130, 155, 156, 273, 274, 276, 288, 373, 381,
    /* uv remove */
    1, 24, 28, 32, 45, 46, 49, 51, 52, 58, 62, 82, 83, 86, 88, 92,
    93, 96, 101, 111, 112, 113, 118, 122, 124, 134, 141, 143, 145, 146, 147, 149,
    155, 156, 180, 185, 191, 206, 208, 210, 216, 217, 221, 225, 245, 254, 261, 263,
    264, 275, 285, 286, 288, 289, 291, 295, 304, 340, 341, 342, 358, 360, 361, 371,
    373, 379,
    /* uv run */
    1, 4, 5, 6, 24, 28, 32, 45, 46, 49, 51, 52, 58, 62, 68, 77,
    78, 82, 83, 85, 86, 88, 92, 93, 96, 101, 102, 111, 112, 113, 114, 117,
    118, 122, 124, 127, 131, 134, 135, 141, 143, 145, 146, 147, 149, 155, 156, 160,
    163, 164, 165, 177, 178, 179, 180, 182, 185, 191, 203, 206, 208, 210, 216, 217,
    221, 225, 230, 233, 239, 254, 261, 263, 264, 275, 279, 285, 286, 288, 289, 291,
    295, 303, 315, 340, 341, 342, 352, 353, 355, 358, 360, 361, 371, 373, 375, 379,
    383, 388,
    /* uv self update */
    67, 333,
    /* uv self version */
    249, 310,
    /* uv sync */
    1, 4, 5, 6, 24, 28, 32, 38, 45, 46, 49, 51, 52, 58, 62, 67,
    68, 78, 82, 83, 85, 86, 88, 92, 93, 96, 101, 111, 112, 113, 114, 118,
    122, 124, 134, 135, 141, 143, 145, 146, 147, 149, 152, 155, 156, 160, 163, 164,
    165, 178, 179, 180, 182, 185, 186, 187, 188, 189, 191, 206, 208, 210, 216, 217,
    225, 233, 239, 240, 241, 242, 243, 249, 254, 261, 263, 264, 275, 279, 285, 286,
    288, 289, 291, 295, 304, 340, 341, 342, 358, 360, 361, 371, 373, 379,
    /* uv tool audit */
    2, 108, 109, 249, 308, 309,
    /* uv tool dir */
    23,
    /* uv tool install */
    24, 28, 30, 31, 32, 45, 46, 49, 51, 52, 53, 54, 58, 68, 80, 82,
    83, 84, 86, 88, 90, 92, 93, 95, 111, 112, 113, 118, 119, 122, 141, 143,
    145, 146, 147, 149, 155, 156, 185, 206, 208, 210, 216, 217, 225, 251, 252, 261,
    263, 264, 275, 279, 285, 286, 288, 289, 291, 295, 334, 340, 341, 342, 352, 353,
    354, 355, 358, 360, 361, 364, 366, 368, 371, 373, 379, 388,
    /* uv tool list */
    82, 83, 195, 247, 312, 313, 314, 320, 321,
    /* uv tool run */
    24, 28, 30, 31, 32, 45, 46, 49, 51, 52, 53, 54, 58, 77, 82, 83,
    86, 88, 92, 93, 95, 98, 111, 112, 113, 117, 118, 119, 122, 141, 143, 145,
    146, 147, 149, 155, 156, 177, 185, 206, 208, 210, 216, 217, 225, 251, 252, 261,
    263, 264, 275, 279, 285, 286, 288, 289, 291, 295, 315, 334, 340, 341, 342, 352,
    353, 355, 358, 360, 361, 364, 366, 371, 373, 379, 388,
    /* uv tool uninstall */
    2,
    /* uv tool upgrade */
    2, 24, 28, 32, 45, 46, 49, 50, 51, 52, 58, 82, 83, 86, 88, 92,
    93, 111, 112, 113, 118, 122, 141, 143, 145, 146, 147, 149, 155, 156, 185, 208,
    210, 216, 217, 261, 263, 264, 275, 279, 288, 289, 291, 295, 340, 341, 342, 358,
    360, 361, 371, 373, 379,
    /* uv tree */
    5, 24, 28, 32, 49, 51, 52, 58, 60, 62, 82, 83, 86, 88, 93, 94,
    96, 101, 111, 112, 113, 116, 118, 122, 124, 141, 143, 145, 146, 147, 149, 159,
    160, 163, 180, 182, 185, 191, 210, 216, 217, 225, 233, 239, 247, 254, 261, 263,
    264, 271, 275, 279, 281, 291, 295, 301, 304, 317, 338, 340, 341, 342, 358, 360,
    361, 367, 371, 373, 379,
    /* uv upgrade */
    58, 79, 86, 88, 111, 112, 113, 118, 185, 210, 291, 371, 373,
    /* uv venv */
    11, 42, 58, 82, 83, 86, 88, 90, 111, 112, 113, 118, 122, 153, 185, 199,
    203, 206, 209, 214, 215, 222, 227, 229, 269, 275, 285, 286, 290, 307, 328, 330,
    365, 371, 373, 379,
    /* uv version */
    1, 24, 28, 32, 34, 45, 46, 49, 51, 52, 58, 67, 82, 83, 86, 88,
    92, 93, 96, 111, 112, 113, 118, 122, 124, 134, 141, 143, 145, 146, 147, 149,
    155, 156, 180, 185, 191, 206, 208, 210, 216, 217, 221, 225, 249, 254, 261, 263,
    264, 275, 285, 286, 288, 289, 291, 295, 310, 340, 341, 342, 358, 360, 361, 371,
    373, 379,
    /* uv workspace dir */
    254,
    /* uv workspace list */
    257, 305,
    /* uv workspace metadata */
    1, 24, 28, 32, 49, 51, 52, 58, 67, 78, 82, 83, 86, 88, 93, 96,
    111, 112, 113, 118, 122, 124, 141, 143, 145, 146, 147, 149, 180, 185, 191, 206,
    210, 216, 217, 225, 250, 261, 263, 264, 275, 285, 286, 291, 295, 304, 327, 340,
    341, 342, 358, 360, 361, 371, 373, 379,
};

static const struct command COMMANDS[] = {
    {0, 1, 0, 40}, /* 0 uv */
    {0, 16, 40, 135}, /* 1 uv add */
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
    {32, 16, 683, 782}, /* 37 uv pip install */
    {32, 0, 782, 811}, /* 38 uv pip list */
    {32, 0, 811, 823}, /* 39 uv pip show */
    {32, 16, 823, 901}, /* 40 uv pip sync */
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
