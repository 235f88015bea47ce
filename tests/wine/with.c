/* with.exe WORDS...: run these words with variables that Wine would not take from a Unix program.
 *
 * Wine sets PATH, USERPROFILE, APPDATA and the like itself. A variable `WITH_NAME` becomes NAME here,
 * and `WITHOUT_NAME` removes it. All 32 bits of the exit code go to the file EXIT_CODE names, because
 * Unix keeps 8. The words are handed on as they stand in the command line.
 */
#include <stdio.h>
#include <wchar.h>
#include <windows.h>

static WCHAR value[32768], command[32768], exit_code[1024];

static void set_variables(void) {
    WCHAR *entries = GetEnvironmentStringsW();
    for (WCHAR *entry = entries; *entry; entry += wcslen(entry) + 1) {
        WCHAR *equals = wcschr(entry + 1, L'=');
        WCHAR name[1024];
        if (!equals || equals - entry >= 1024) continue;
        wcsncpy(name, entry, equals - entry);
        name[equals - entry] = 0;
        if (!wcsncmp(name, L"WITH_", 5)) SetEnvironmentVariableW(name + 5, equals + 1);
        else if (!wcsncmp(name, L"WITHOUT_", 8)) SetEnvironmentVariableW(name + 8, NULL);
        else continue;
        SetEnvironmentVariableW(name, NULL);
    }
    FreeEnvironmentStringsW(entries);
}

/* The rule of the C runtime for the first word: up to the closing quote, or to the first blank. */
static const WCHAR *after_first_word(const WCHAR *at) {
    for (BOOL quoted = FALSE; *at && (quoted || (*at != L' ' && *at != L'\t')); at++)
        if (*at == L'"') quoted = !quoted;
    while (*at == L' ' || *at == L'\t') at++;
    return at;
}

static BOOL WINAPI leave_it_to_the_child(DWORD event) {
    return event == CTRL_C_EVENT || event == CTRL_BREAK_EVENT;
}

int wmain(void) {
    STARTUPINFOW startup;
    PROCESS_INFORMATION process;
    DWORD code = 0;
    GetEnvironmentVariableW(L"EXIT_CODE", exit_code, 1024);
    SetEnvironmentVariableW(L"EXIT_CODE", NULL);
    set_variables();
    wcscpy(command, after_first_word(GetCommandLineW()));
    GetStartupInfoW(&startup);
    SetConsoleCtrlHandler(leave_it_to_the_child, TRUE);
    if (!CreateProcessW(NULL, command, NULL, NULL, TRUE, 0, NULL, NULL, &startup, &process)) {
        fprintf(stderr, "with.exe: cannot start it: error %lu\n", GetLastError());
        return 99;
    }
    WaitForSingleObject(process.hProcess, INFINITE);
    GetExitCodeProcess(process.hProcess, &code);
    if (*exit_code) {
        FILE *file = _wfopen(exit_code, L"wb");
        if (file) {
            fprintf(file, "%lu", code);
            fclose(file);
        }
    }
    return (int)code;
}
