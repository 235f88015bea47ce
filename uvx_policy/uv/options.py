"""Every option and subcommand of uv 0.5.23 and newer: the one table about uv's command line.

`COMMANDS` maps the canonical words of a (sub)command to the options that may stand after its last
word. One word describes one option, by all its spellings, without dashes, separated by commas:

    p,python=       takes a value: `-p V`, `-pV`, `-p=V`, `--python V`, `--python=V`
    m,module        is a flag
    @index          stands for the words of `GROUPS["index"]`

One letter is a short spelling. The first long spelling is the option's canonical name, by which
`Invocation.options` knows it; the others are aliases, hidden ones as well. An option of a namespace
("pip", or "" for uv itself) is also one of every command below it; a command's own option wins.

The table is the union over all supported versions: no option has ever changed between flag and
value within one command, and one that the real uv does not have makes it exit before it acts.
`tests/uv/test_command_line_contract.py` compares the table with real uvs. The launcher's table is
generated from this one, so everything here stays plain data.
"""

from __future__ import annotations

GROUPS = {
    # indexes, and how they are asked
    "index": "index= default-index= i,index-url= extra-index-url= f,find-links= no-index"
    " index-strategy= keyring-provider=",
    "upgrade": "U,upgrade no-upgrade P,upgrade-package= upgrade-group=",
    # which versions are chosen
    "resolve": "resolution= prerelease= prerelease-package= pre fork-strategy= exclude-newer="
    " exclude-newer-package= no-sources no-sources-package=",
    # how a source distribution is built, and how its files are linked
    "backend": "C,config-setting,config-settings= config-settings-package="
    " no-build-isolation build-isolation no-build-isolation-package= link-mode=",
    # whether source distributions and wheels may be used
    "build": "no-build build no-build-package= no-binary binary no-binary-package= @hashes",
    "build-pip": "no-build build no-binary= only-binary= @hashes",
    "hashes": "require-build-hashes no-require-build-hashes",
    "install": "reinstall,force-reinstall no-reinstall reinstall-package= @compile",
    "compile": "compile-bytecode,compile no-compile-bytecode,no-compile",
    "refresh": "refresh no-refresh refresh-package=",
    "lock": "locked no-locked frozen no-frozen",
    "extras": "extra= all-extras no-extra= no-all-extras",
    "groups": "dev no-dev only-dev group= no-group= only-group= all-groups no-default-groups",
    "packages": "no-install-project no-install-workspace no-install-local no-install-package="
    " only-install-project only-install-workspace only-install-local only-install-package=",
    "project": "@index @upgrade @resolve @backend @build",
    "environment": "p,python= system no-system",
    "tool": "@project @install @refresh p,python= w,with= with-editable= with-requirements= from="
    " c,constraints,constraint= b,build-constraints,build-constraint= overrides,override="
    " python-platform= torch-backend= lfs",
    "requirements": "c,constraints,constraint= b,build-constraints,build-constraint= extra="
    " all-extras no-all-extras group= python-version= python-platform= torch-backend=",
    "verify": "require-hashes no-require-hashes verify-hashes no-verify-hashes",
    "audit": "output-format= ignore= ignore-until-fixed= service-format= service-url=",
    "python": "i,install-dir= r,reinstall mirror= pypy-mirror= graalpy-mirror= pyodide-mirror="
    " python-downloads-json-url= @compile",
}

COMMANDS = {
    # uv itself: the global options. Before 0.7 `--version` was one, since then it is an error on
    # most subcommands: either way uv does nothing.
    "": "n,no-cache,no-cache-dir cache-dir= q,quiet v,verbose h,help V,version color= no-color"
    " python-preference= python-fetch= managed-python no-managed-python allow-python-downloads"
    " no-python-downloads offline no-offline native-tls no-native-tls system-certs no-system-certs"
    " allow-insecure-host,trusted-host= preview no-preview preview-features,preview-feature="
    " isolated show-settings no-progress no-installer-metadata directory= project= config-file="
    " no-config",
    "add": "@project @install @refresh @lock @packages p,python= active no-active no-sync package="
    " script= r,requirements,requirement= c,constraints,constraint= m,marker= bounds= dev"
    " optional= group= extra= editable no-editable no-editable-package= raw,raw-sources rev= tag="
    " branch= lfs workspace no-workspace",
    "audit": "@project @lock @extras @groups @audit script= python-version= python-platform=",
    "auth": "",
    "auth dir": "",
    "auth helper": "protocol=",
    "auth helper get": "",
    "auth login": "u,username= t,token= password= keyring-provider=",
    "auth logout": "u,username= keyring-provider=",
    "auth token": "u,username= keyring-provider=",
    "build": "@project @refresh @verify p,python= o,out-dir= b,build-constraints,build-constraint="
    " package= all-packages,all sdist wheel list build-logs no-build-logs force-pep517 clear"
    " create-gitignore no-create-gitignore skip-dependency-check",
    "build-backend": "",
    "build-backend build-editable": "metadata-directory=",
    "build-backend build-sdist": "",
    "build-backend build-wheel": "metadata-directory=",
    "build-backend get-requires-for-build-editable": "",
    "build-backend get-requires-for-build-sdist": "",
    "build-backend get-requires-for-build-wheel": "",
    "build-backend prepare-metadata-for-build-editable": "",
    "build-backend prepare-metadata-for-build-wheel": "",
    "cache": "",
    "cache clean": "force",
    "cache dir": "",
    "cache prune": "ci force",
    "cache size": "H,human,human-readable output-format=",
    "check": "@project @install @refresh @lock @extras @groups p,python= fix all-packages package="
    " script= no-sync no-install-project ty-version= show-version show-command no-project",
    "export": "@project @refresh @lock @extras @groups p,python= o,output-file= format= batch="
    " prune= all-packages package= script= header no-header annotate no-annotate hashes no-hashes"
    " editable no-editable no-editable-package= emit-index-url no-emit-index-url emit-find-links"
    " no-emit-find-links no-emit-project,no-install-project no-emit-workspace,no-install-workspace"
    " no-emit-local,no-install-local no-emit-package,no-install-package="
    " only-emit-project,only-install-project only-emit-workspace,only-install-workspace"
    " only-emit-local,only-install-local only-emit-package,only-install-package=",
    # its `--version` is the formatter's and takes a value
    "format": "check diff version= no-project exclude-newer= show-version",
    "generate-shell-completion": "",
    "help": "no-pager",
    "init": "p,python= name= virtual package no-package app,application lib,library script bare"
    " description= no-description vcs= build-backend= no-readme author-from= pin-python"
    " no-pin-python no-workspace,no-project",
    # 0.5.23 calls `--locked` `--check`, and `--frozen` `--check-exists`
    "lock": "@project @refresh p,python= locked,check no-locked frozen,check-exists no-frozen"
    " dry-run script=",
    "pip": "cert=",
    "pip check": "@environment python-version= python-platform=",
    # up to 0.5.x its `-p` was `--python-version`
    "pip compile": "@index @upgrade @resolve @backend @build-pip @refresh @environment"
    " @requirements excludes,exclude= overrides,override= o,output-file= format= deps no-deps"
    " strip-extras no-strip-extras strip-markers no-strip-markers annotate no-annotate"
    " annotation-style= header no-header custom-compile-command= generate-hashes"
    " no-generate-hashes universal no-universal no-emit-package,unsafe-package= emit-index-url"
    " no-emit-index-url emit-find-links no-emit-find-links emit-build-options"
    " no-emit-build-options emit-marker-expression no-emit-marker-expression emit-index-annotation"
    " no-emit-index-annotation emit-trusted-host no-emit-trusted-host emit-options no-emit-options"
    " allow-unsafe no-allow-unsafe reuse-hashes no-reuse-hashes resolver= max-rounds= client-cert="
    " config= pip-args=",
    "pip debug": "platform= python-version= implementation= abi=",
    "pip freeze": "@environment t,target= prefix= path= exclude= exclude-editable strict no-strict"
    " disable-pip-version-check",
    "pip install": "@index @upgrade @resolve @backend @build-pip @install @refresh @environment"
    " @requirements @verify excludes,exclude= overrides,override= r,requirements,requirement="
    " e,editable= no-editable no-editable-package= t,target= prefix= deps no-deps exact"
    " inexact,no-exact strict no-strict break-system-packages no-break-system-packages user check"
    " dry-run output-format= disable-pip-version-check",
    "pip list": "@index @environment t,target= prefix= e,editable exclude-editable exclude="
    " format= outdated no-outdated strict no-strict exclude-newer= exclude-newer-package="
    " disable-pip-version-check",
    "pip show": "@environment t,target= prefix= f,files strict no-strict disable-pip-version-check",
    "pip sync": "@index @build-pip @install @refresh @environment @requirements @verify t,target="
    " prefix= exclude-newer= exclude-newer-package= no-sources no-sources-package="
    " allow-empty-requirements no-allow-empty-requirements strict no-strict break-system-packages"
    " no-break-system-packages user check dry-run output-format= a,ask client-cert= config="
    " pip-args= python-executable= C,config-setting,config-settings= config-settings-package="
    " no-build-isolation build-isolation link-mode=",
    "pip tree": "@index @environment d,depth= prune= package= invert,reverse no-dedupe outdated"
    " show-version-specifiers show-sizes strict no-strict exclude-newer= exclude-newer-package="
    " disable-pip-version-check",
    "pip uninstall": "@environment t,target= prefix= r,requirements,requirement= keyring-provider="
    " break-system-packages no-break-system-packages dry-run y,yes disable-pip-version-check",
    "publish": "u,username= p,password= t,token= index= trusted-publishing= keyring-provider="
    " publish-url= check-url= skip-existing dry-run no-attestations direct",
    "python": "",
    "python dir": "bin",
    "python find": "no-project,no_workspace system no-system script= show-version resolve-links"
    " python-downloads-json-url=",
    "python install": "@python f,force U,upgrade default bin no-bin registry no-registry",
    "python list": "all-versions all-platforms all-arches,all_architectures only-installed"
    " only-downloads show-urls output-format= python-downloads-json-url=",
    "python pin": "resolved no-resolved no-project,no-workspace global rm"
    " python-downloads-json-url=",
    "python uninstall": "i,install-dir= all",
    "python update-shell": "",
    "python upgrade": "@python",
    "remove": "@project @install @refresh @lock p,python= active no-active no-sync package="
    " script= dev optional= group=",
    "run": "@project @install @refresh @lock @extras @groups p,python= m,module s,script"
    " gui-script w,with= with-editable= with-requirements= env-file= no-env-file isolated active"
    " no-active no-sync exact inexact,no-exact editable no-editable no-editable-package="
    " all-packages package= no-project,no_workspace python-platform= show-resolution"
    " max-recursion-depth=",
    "self": "",
    "self update": "token= dry-run",
    "self version": "short output-format=",
    "sync": "@project @install @refresh @lock @extras @groups @packages p,python= active no-active"
    " exact inexact,no-exact editable no-editable no-editable-package= all-packages package="
    " script= dry-run check no-check python-platform= output-format=",
    "tool": "",
    "tool audit": "@audit all",
    "tool dir": "bin",
    "tool install": "@tool excludes,exclude= with-executables-from= e,editable force",
    "tool list": "show-paths show-version-specifiers show-with show-extras show-python outdated"
    " no-outdated exclude-newer= exclude-newer-package=",
    "tool run": "@tool isolated env-file= no-env-file show-resolution generate-shell-completion=",
    "tool uninstall": "all",
    "tool update-shell": "",
    "tool upgrade": "@index @resolve @build @install U,upgrade P,upgrade-package= upgrade-group="
    " C,config-setting,config-settings= config-settings-package,config-setting-package="
    " no-build-isolation build-isolation no-build-isolation-package= link-mode= p,python= all"
    " python-platform=",
    "tree": "@project @lock @groups p,python= d,depth= prune= package= invert,reverse no-dedupe"
    " outdated universal script= python-version= python-platform= show-sizes format=",
    "upgrade": "@index @hashes exclude=",
    "venv": "@index @refresh @environment c,clear no-clear force allow-existing seed no-seed"
    " no-pip no-setuptools no-wheel prompt= system-site-packages relocatable no-relocatable"
    " no-project,no-workspace exclude-newer= exclude-newer-package= link-mode=",
    "version": "@project @install @refresh @lock p,python= active no-active no-sync package= bump="
    " short dry-run output-format=",
    "workspace": "",
    "workspace dir": "package=",
    "workspace list": "paths scripts",
    "workspace metadata": "@project @refresh @lock p,python= sync exact active script= dry-run"
    " output-version=",
}

#: commands that need a further word to become one; with none, uv prints its help
NAMESPACES = (
    "", "auth", "auth helper", "build-backend", "cache", "pip", "python", "self", "tool",
    "workspace",
)  # fmt: skip

#: other words for a command -> its canonical words. Hidden ones included.
ALIASES = {
    "--generate-shell-completion": "generate-shell-completion",
    "cache clear": "cache clean",
    "clean": "cache clean",
    "pip ls": "pip list",
    "python ensurepath": "python update-shell",
    "python ls": "python list",
    "tool ensurepath": "tool update-shell",
    "tool ls": "tool list",
    "tool update": "tool upgrade",
    "tool uvx": "tool run",
    "v": "venv",
    "virtualenv": "venv",
}

#: commands whose first positional word begins an external command, which uv passes on verbatim
EXTERNAL = ("run", "tool run")

#: commands of whose positional words a decision may look at
KEEPS_POSITIONALS = ("tool install", "tool upgrade", "venv", "version")
#: those of which it may only do so in detail
DETAILED_POSITIONALS = ("add", "pip install", "pip sync")

#: options of `uv run` after which the first word is a script, whatever it is called
SCRIPT_FLAGS = ("script", "gui-script")

#: `spellings` of a command, once made
_made: dict[str, dict[str, str]] = {}


def words(text: str) -> list[str]:
    """List the option words of a value of `COMMANDS` or `GROUPS`, groups replaced by theirs."""
    found = []
    for word in text.split():
        if word[0] == "@":
            found += words(GROUPS[word[1:]])
        else:
            found.append(word)
    return found


#: canonical names of the options that a decision may look at; all others are dropped before
SIGNIFICANT = frozenset(
    words(
        "active bump cache-dir check config-file directory dry-run env-file frozen"
        " generate-shell-completion gui-script help isolated link-mode managed-python module"
        " no-active no-cache no-config no-env-file no-managed-python no-offline no-preview"
        " no-project no-sync no-system offline prefix preview preview-features project python"
        " python-preference reinstall reinstall-package script show-settings sync system target"
        " version with with-editable with-requirements"
    )
)

#: those that it may look at besides, in detail: what packages a call needs
DETAILS = frozenset(
    words(
        "all-extras build-constraints constraints editable exclude-newer excludes extra from group"
        " no-deps overrides pre prerelease requirements resolution seed upgrade upgrade-group"
        " upgrade-package with-executables-from"
    )
)


def spellings(command: str) -> dict[str, str]:
    """Map every spelling that `command` accepts ("-p", "--python") to its canonical name.

    A canonical name that takes a value has a "=" at its end. The options of the namespaces above
    are included. `command` is a key of `COMMANDS`; the result is shared, never change it.
    """
    if command in _made:
        return _made[command]
    table = dict(spellings(command.rpartition(" ")[0])) if command else {}
    for word in words(COMMANDS[command]):
        takes_value = word[-1] == "="
        names = (word[:-1] if takes_value else word).split(",")
        canonical = names[0] if len(names[0]) > 1 else names[1]
        if takes_value:
            canonical += "="
        for name in names:
            table["-" + name if len(name) == 1 else "--" + name] = canonical
    _made[command] = table
    return table
