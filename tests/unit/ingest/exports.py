"""An accounts receivable export of invented rows, with the columns of the real one."""

from __future__ import annotations

HEADER = (
    "countryCode,customerID,PaperlessDate,invoiceNumber,InvoiceDate,DueDate,InvoiceAmount,Disputed,SettledDate,"
    "PaperlessBill,DaysToSettle,DaysLate"
)
PAID = "391,0001-AAAAA,4/6/2013,9000000001,1/2/2013,2/1/2013,55.94,No,1/15/2013,Paper,13,0"
DISPUTED = '818,0002-BBBBB,3/3/2012,9000000002,1/26/2013,2/25/2013,"61.74",Yes,3/3/2013,Electronic,36,6'
OPEN = "406,0003-CCCCC,1/26/2012,9000000003,7/3/2013,8/2/2013,65.88,No,,Electronic,,"


def export(*rows: str, header: str = HEADER, end: str = "\r\n") -> bytes:
    """A CSV file."""
    return (end.join((header, *rows)) + end).encode()
