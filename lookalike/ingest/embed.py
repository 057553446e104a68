"""Footage -> embedded frames: the one loop below files, indexes, watches and reindexing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

from lookalike.encoder import Encoder
from lookalike.footage import Frame, Source, read_source
from lookalike.footage.tracks import every_track
from lookalike.ingest.batches import AlreadyStored, Batcher, EmbeddedBatch, SourceEnd
from lookalike.ingest.prefetch import Prefetch
from lookalike.ingest.settings import USUAL, IngestSettings
from lookalike.ingest.summary import Summary

OnFrames = Callable[[Sequence[Frame]], None]
OnReconnect = Callable[[str], None]
NOTHING = AlreadyStored()


class EmbedJob:
    """Embeds frames of sources; iterate over it once for the batches, or `run` it. summary: of what was done so far.

    Files are read one after the other, and each stream concurrently with them. A source given twice is read once.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        encoder: Encoder,
        settings: IngestSettings = USUAL,
        stored: AlreadyStored = NOTHING,
        on_frames: OnFrames = lambda frames: None,
        on_reconnect: OnReconnect = lambda message: None,
    ) -> None:
        """sources: from `find_sources`. on_frames: called after each batch, with its frames. on_reconnect: as for
        `read_source`."""
        self._fit_px, self._settings, self._stored = encoder.spec.input_px, settings, stored
        self._on_frames, self._on_reconnect = on_frames, on_reconnect
        self._given = frozenset(sources)
        self.summary = Summary(sources=len(sources))
        files = [source for source in sources if source.kind != "stream"]
        lanes = [files, *([source] for source in sources if source.kind == "stream")]
        self._lanes = [
            (Batcher(encoder, settings, stored, self.summary, live=part is not files), part) for part in lanes
        ]
        self._files_left = bool(files)
        first, *alongside = (self._items(*lane) for lane in self._lanes)
        self._prefetch = Prefetch(first, settings.queue_frames, alongside)

    def __iter__(self) -> Iterator[EmbeddedBatch]:
        """Yield batches until all files are read, and all streams end. What a batch holds counts once it is taken."""
        for batcher, item in self._prefetch:
            yield from self._counted(self._batches(batcher, item))
            if item is None:
                self._files_left &= batcher is not self._lanes[0][0]

    def run(self, store: Callable[[EmbeddedBatch], None], repeatable: bool = False) -> Summary:
        """Call `store` with each batch. Ctrl-C ends the streams, and what was read of them is stored.

        repeatable: whether `store` is called again with the batch in which Ctrl-C came.
        Raises: KeyboardInterrupt that says how far it is, where files are left to be read.
        """
        interrupted: list[EmbeddedBatch] = []
        try:
            for batch in self:
                interrupted = [batch] if repeatable else []
                store(batch)
                interrupted = []
        except KeyboardInterrupt:
            if self._files_left:
                raise KeyboardInterrupt(f"{self.summary.frames:,} frames read, {self.summary.added:,} new") from None
            for batch in self._counted(chain(interrupted, self._rest())):
                store(batch)
        return self.summary

    def _rest(self) -> Iterator[EmbeddedBatch]:
        """What was read before an interruption, and not stored yet."""
        for batcher, item in self._prefetch.rest():
            yield from self._batches(batcher, item)
        for batcher, _ in self._lanes:
            yield from batcher.close()

    def _batches(self, batcher: Batcher, item: Frame | SourceEnd | None) -> Iterator[EmbeddedBatch]:
        if isinstance(item, Frame):
            return batcher.push(item)
        if isinstance(item, SourceEnd):
            self._count_end(item)
            return batcher.end(item)
        return batcher.close()

    def _items(self, batcher: Batcher, sources: Sequence[Source]) -> Iterator[tuple[Batcher, Frame | SourceEnd | None]]:
        """What is read of sources one after the other, then None; each with what it goes to. Runs in a thread."""
        names: set[str] = set()
        for source in every_track(sources):
            if source.name not in names:
                names.add(source.name)
                for item in self._read(source):
                    yield batcher, item
        yield batcher, None

    def _read(self, source: Source) -> Iterator[Frame | SourceEnd]:
        known: list[SourceEnd] = []
        frame_source_id: str | None = None

        def wanted(source_id: str) -> bool:
            if ended := self._stored.known(source, source_id):
                known.append(SourceEnd(ended, source_id, ended.frames, known=True))
            return not known

        for item in read_source(source, self._settings.sampling, self._fit_px, wanted, self._on_reconnect):
            if isinstance(item, Frame):
                frame_source_id = item.source_id
                yield item
            else:
                yield known[0] if known else SourceEnd(item, frame_source_id, item.frames + item.regions)

    def _count_end(self, end: SourceEnd) -> None:
        self.summary.ended(end.ended)
        if end.known:
            self.summary.frames += end.ended.frames
        source = end.ended.source
        is_further = source.track is not None and source.track > 1 and source not in self._given
        self.summary.sources += is_further  # a second camera of a file, or a third, that was not given as a source

    def _counted(self, batches: Iterable[EmbeddedBatch]) -> Iterator[EmbeddedBatch]:
        for batch in batches:
            yield batch
            self.summary.saw(batch.read)
            if batch.read:
                self._on_frames(batch.read)
