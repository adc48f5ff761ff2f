using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Millrace.Diagnostics;
using Millrace.Hosting;
using Millrace.Serialization;
using Millrace.Storage;
using Millrace.Streams;

namespace Millrace.Scheduling.History;

/// <summary>
/// Appends runs to the history. What comes while one append is on its way goes in the next. A history that fails is tried again briefly, and then left incomplete: it never repeats or
/// stops a job. Safe for concurrent use.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "The turns never make a handle, so there is nothing to dispose.")]
internal sealed class RunAppender(StreamCatalog? catalog, RunHistoryOptions options, TimeProvider timeProvider, ILogger logger)
{
    private const int Tries = 4;
    private const int MaxSpareBytes = 1024 * 1024;

    [ThreadStatic]
    private static Scratch? _scratch;

    private readonly Lock _gate = new();
    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly SemaphoreSlim _opening = new(1, 1);
    private Gathered _gathering = new();
    private Gathered _spare = new();
    private long _added;
    private long _appended;
    private bool _isFailing;
    private volatile IStreamPartition? _partition;

    /// <summary>Whether a history is kept.</summary>
    public bool IsEnabled { get; } = catalog is not null && options.IsEnabled;

    /// <summary>The stream's partition, for one who reads: nothing is created or changed. Null while nobody has written.</summary>
    /// <exception cref="MillraceConfigurationException">No history is kept.</exception>
    public async ValueTask<IStreamPartition?> FindAsync(CancellationToken cancellationToken)
    {
        if (_partition is { } open)
        {
            return open;
        }

        var streams = RequireCatalog();
        return await streams.GetAsync(RunHistoryOptions.Stream, cancellationToken).ConfigureAwait(false) is null
            ? null
            : await streams.OpenPartitionAsync(RunHistoryOptions.Stream, 0, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The stream's partition, for one who writes: the stream is created, or gets the retention that was set.</summary>
    /// <exception cref="MillraceConfigurationException">No history is kept.</exception>
    public async ValueTask<IStreamPartition> OpenAsync(CancellationToken cancellationToken)
    {
        if (_partition is { } open)
        {
            return open;
        }

        var streams = RequireCatalog();
        await _opening.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_partition is null)
            {
                var info = await streams.EnsureAsync(RunHistoryOptions.Stream, new StreamSettings { Retention = options.NewRetention }, create: true, cancellationToken).ConfigureAwait(false);
                var retention = options.RetentionOver(info.Settings.Retention);
                if (info.Settings.Retention != retention)
                {
                    await streams.SetRetentionAsync(RunHistoryOptions.Stream, retention, cancellationToken).ConfigureAwait(false);
                }

                _partition = await streams.OpenPartitionAsync(RunHistoryOptions.Stream, 0, cancellationToken).ConfigureAwait(false);
            }

            return _partition;
        }
        finally
        {
            _opening.Release();
        }
    }

    /// <summary>Adds a run to what the next append takes.</summary>
    public void Add(in RunEntry run)
    {
        RunTelemetry.Ended(in run);
        if (!IsEnabled)
        {
            return;
        }

        var scratch = _scratch ??= new Scratch();
        scratch.Bytes.Truncate(0);
        scratch.Writer.Reset(scratch.Bytes);
        RunJson.Write(scratch.Writer, in run);
        scratch.Writer.Flush();
        lock (_gate)
        {
            _gathering.Add(scratch.Bytes[..].Span);
            _added++;
        }
    }

    /// <summary>Appends a run, and returns when it is in the history, or cannot be.</summary>
    public ValueTask AppendAsync(RunRecord run)
    {
        Add(RunEntry.Of(run));
        return FlushAsync();
    }

    /// <summary>Returns when all runs that were added before are in the history, or cannot be. Never fails.</summary>
    public ValueTask FlushAsync()
    {
        lock (_gate)
        {
            return _added == _appended ? default : FlushAsync(_added);
        }
    }

    private StreamCatalog RequireCatalog() => catalog is not null && options.IsEnabled
        ? catalog
        : throw new MillraceConfigurationException("There is no history of runs: it was switched off, or no backend with streams is configured. Set the URL of streams (StreamUrl).");

    private async ValueTask FlushAsync(long target)
    {
        await _turn.WaitAsync().ConfigureAwait(false);
        try
        {
            Gathered batch;
            lock (_gate)
            {
                if (_appended >= target)
                {
                    return;
                }

                (batch, _gathering) = (_gathering, _spare);
            }

            await AppendAsync(batch).ConfigureAwait(false);
            lock (_gate)
            {
                _appended += batch.Count;
                _spare = batch.Clear(MaxSpareBytes);
            }
        }
        finally
        {
            _turn.Release();
        }
    }

    private async ValueTask AppendAsync(Gathered batch)
    {
        var backoff = new Backoff(TimeSpan.FromMilliseconds(50), TimeSpan.FromMilliseconds(500));
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                var partition = await OpenAsync(CancellationToken.None).ConfigureAwait(false);
                await partition.AppendAsync(new AppendRequest(batch.ToRecords())).ConfigureAwait(false);
                _isFailing = false;
                return;
            }
            catch (Exception exception)
            {
                // While it is known to fail, each batch tries once: jobs go on at their pace.
                if (_isFailing || attempt == Tries || exception is not MillraceException { IsTransient: true })
                {
                    _isFailing = true;
                    logger.HistoryIncomplete(exception, batch.Count);
                    return;
                }

                await Task.Delay(backoff.Next(), timeProvider).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Where a thread writes the JSON of one run, outside of the gate.</summary>
    private sealed class Scratch
    {
        public Scratch() => Writer = new Utf8JsonWriter(Bytes, new JsonWriterOptions { SkipValidation = true });

        public PooledBuffer Bytes { get; } = new();

        public Utf8JsonWriter Writer { get; }
    }

    /// <summary>Runs that wait for the next append, one after the other.</summary>
    [SuppressMessage("Design", "CA1001", Justification = "Two of them live as long as the client; a large one gives its bytes back.")]
    private sealed class Gathered
    {
        private readonly List<int> _ends = [];
        private PooledBuffer _bytes = new();
        private StreamRecord[] _records = [];

        public int Count => _ends.Count;

        public void Add(ReadOnlySpan<byte> run)
        {
            run.CopyTo(_bytes.GetSpan(run.Length));
            _bytes.Advance(run.Length);
            _ends.Add(_bytes.WrittenBytes);
        }

        public ReadOnlyMemory<StreamRecord> ToRecords()
        {
            if (_records.Length < _ends.Count)
            {
                _records = new StreamRecord[Math.Max(_ends.Count, _records.Length * 2)];
            }

            var start = 0;
            for (var i = 0; i < _ends.Count; i++)
            {
                _records[i] = new StreamRecord { Body = _bytes[start.._ends[i]] };
                start = _ends[i];
            }

            return _records.AsMemory(0, _ends.Count);
        }

        public Gathered Clear(int maxSpareBytes)
        {
            if (_bytes.WrittenBytes > maxSpareBytes)
            {
                _bytes.Dispose();
                _bytes = new PooledBuffer();
                _records = [];
            }

            _bytes.Truncate(0);
            _ends.Clear();
            return this;
        }
    }
}
