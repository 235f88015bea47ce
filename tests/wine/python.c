/* python.exe for a python3X.dll: what PC/python.c of CPython does. */
#include <wchar.h>

__declspec(dllimport) int Py_Main(int count, wchar_t **words);

int wmain(int count, wchar_t **words) {
    return Py_Main(count, words);
}
