"""The archive at the size of a hospital (`make bench-scale`).

    python -m tests.benchmarks.scale --instances 2800000 --keep FOLDER --json figures.json

1. `making`: synthetic rows through the real log and the real fold into the real table. 4 series a study, 7
   instances a series on average, most series small, some of 300 slices; headers as a CT has them (`header`), in
   which UIDs, times, positions, dose and window differ from image to image as they do in life, so that sizes and
   searches are honest. No DICOM object is written for them. Rows are made column by column, 25 000 a second on
   two processors. `--keep` leaves the archive there; given again it is measured again, or made larger.
2. `measuring`: `dicomlake serve` as users start it, in a process of its own, on that archive. Starts with its
   catalog and without; searches as a viewer asks them, each time for another patient, date or page; metadata,
   frames and storing of real instances, beside a server on an empty archive; memory; bytes.
3. `storing.compare_workers`: ingest of 528 kB images by two workers against one.

Latencies are those of a client on the same machine. Other work on it makes them longer, so each stands beside the
CPU time that the server took for the request. What compares with an empty archive compares CPU time, in turns.
"""
