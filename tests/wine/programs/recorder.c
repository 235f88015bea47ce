/* In the place of a real uv: tells as JSON what it was started with, and ends with EXIT_WITH. */
#include <fcntl.h>
#include <io.h>
#include <stdio.h>
#include <stdlib.h>
#include <windows.h>
#include <tlhelp32.h>

static void put_text(const wchar_t *text) {
    putchar('"');
    for (; *text; text++) {
        if (*text < ' ' || *text > '~' || *text == '"' || *text == '\\') printf("\\u%04x", *text);
        else putchar(*text);
    }
    putchar('"');
}

static void put_hex(const unsigned char *bytes, size_t length) {
    while (length--) printf("%02x", *bytes++);
}

static DWORD parent(void) {
    PROCESSENTRY32W entry = {.dwSize = sizeof entry};
    HANDLE snapshot = CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0);
    for (BOOL more = Process32FirstW(snapshot, &entry); more; more = Process32NextW(snapshot, &entry))
        if (entry.th32ProcessID == GetCurrentProcessId()) return entry.th32ParentProcessID;
    return 0;
}

static BOOL WINAPI end_well(DWORD event) {
    (void)event;
    ExitProcess(5);
}

int wmain(int argc, wchar_t **argv) {
    static unsigned char input[1 << 16];
    static wchar_t path[32768];
    _setmode(0, _O_BINARY);
    _setmode(1, _O_BINARY);
    const wchar_t *code = _wgetenv(L"EXIT_WITH"), *wait = _wgetenv(L"WAIT");
    if (_wgetenv(L"ENDS_WELL")) SetConsoleCtrlHandler(end_well, TRUE);
    if (wait) {
        printf("started %lu %lu\n", GetCurrentProcessId(), parent());
        fflush(stdout);
        Sleep((DWORD)_wtoi(wait));
    }
    const wchar_t *next = _wgetenv(L"STARTS");
    if (next) { /* as a wrapper does: the same program by its name, once more */
        STARTUPINFOW startup;
        PROCESS_INFORMATION process;
        DWORD ended = 1;
        GetStartupInfoW(&startup);
        wcscpy(path, next);
        if (!CreateProcessW(NULL, path, NULL, NULL, TRUE, 0, NULL, NULL, &startup, &process)) return 98;
        WaitForSingleObject(process.hProcess, INFINITE);
        GetExitCodeProcess(process.hProcess, &ended);
        return (int)ended;
    }
    GetModuleFileNameW(NULL, path, 32768);
    printf("{\"program\": ");
    put_text(path);
    printf(", \"line\": ");
    put_text(GetCommandLineW());
    printf(", \"words\": [");
    for (int index = 1; index < argc; index++) {
        if (index > 1) printf(", ");
        put_text(argv[index]);
    }
    printf("], \"variables\": {");
    wchar_t *block = GetEnvironmentStringsW();
    const char *before = "";
    for (wchar_t *entry = block; *entry; entry += wcslen(entry) + 1) {
        wchar_t *equals = wcschr(entry + 1, L'=');
        if (!equals) continue;
        *equals = 0;
        printf("%s", before);
        put_text(entry);
        printf(": ");
        put_text(equals + 1);
        *equals = L'=';
        before = ", ";
    }
    printf("}, \"input\": \"");
    put_hex(input, fread(input, 1, sizeof input, stdin));
    printf("\"}\n");
    fflush(stdout);
    ExitProcess(code ? (UINT)wcstoul(code, NULL, 10) : 0);
}
