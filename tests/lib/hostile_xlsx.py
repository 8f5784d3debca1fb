"""Writes a workbook that nobody should trust to standard output: hostile_xlsx.py bomb|cells|files|far|entities|count|hidden"""
import io
import sys
import zipfile

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'


def sheet(rows, before=""):
    return f'{HEAD}{before}<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>'


def main(kind):
    body = '<row r="1"><c r="A1"><v>1</v></c></row>'
    before = ""
    if kind == "bomb":  # 300 MB of blanks in 300 KB
        body += " " * (300 << 20)
    elif kind == "cells":
        body = '<row r="1">' + '<c r="A1"/>' * 4_000_001 + "</row>"
    elif kind == "far":
        body += '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    elif kind == "entities":  # each twice the one before
        before = "<!DOCTYPE w [<!ENTITY e0 'eeeeeeeeee'>" + "".join(
            f"<!ENTITY e{i} '&e{i - 1};&e{i - 1};'>" for i in range(1, 40)) + "]>"
        body = '<row r="1"><c r="A1"><v>&e39;</v></c></row>'
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("[Content_Types].xml", f'{HEAD}<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>')
        z.writestr("xl/workbook.xml", f'{HEAD}<workbook xmlns="{MAIN}"><sheets><sheet name="事项" sheetId="1"/></sheets></workbook>')
        z.writestr("xl/worksheets/sheet1.xml", sheet(body, before))
        if kind in ("count", "hidden"):  # memory is taken for as many texts as the head says
            attribute = 'count="1" uniqueCount="300000000"' if kind == "count" else "count\n=" + " " * 100 + "'&#57;99999999'"
            z.writestr("xl/sharedStrings.xml", f'{HEAD}<sst xmlns="{MAIN}" {attribute}><si><t>x</t></si></sst>')
        for i in range(300 if kind == "files" else 0):
            z.writestr(f"xl/media/{i}", "x")
    sys.stdout.buffer.write(out.getvalue())


main(sys.argv[1])
