using Microsoft.Extensions.Logging;
using Xunit;

namespace Millrace.Server.Tests.Security;

/// <summary>Keeps what is logged, and lets a test wait for it. Safe for concurrent use.</summary>
internal sealed class RecordedLog : ILoggerFactory
{
    private readonly Lock _gate = new();
    private readonly List<RecordedEntry> _entries = [];
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public IReadOnlyList<RecordedEntry> Of(params int[] ids)
    {
        lock (_gate)
        {
            return [.. _entries.Where(entry => ids.Contains(entry.Id))];
        }
    }

    /// <summary>Everything that was logged, as text.</summary>
    public string Text
    {
        get
        {
            lock (_gate)
            {
                return string.Join('\n', _entries.Select(entry => entry.Text));
            }
        }
    }

    public Task<RecordedEntry> WaitForAsync(int id, int count = 1) => WaitForAsync(id, static _ => true, count);

    /// <summary>Waits for an entry of an id that is meant, or for the last of several.</summary>
    public async Task<RecordedEntry> WaitForAsync(int id, Func<RecordedEntry, bool> isMeant, int count = 1)
    {
        while (true)
        {
            Task changed;
            lock (_gate)
            {
                changed = _changed.Task;
            }

            if (Of(id).Where(isMeant).Skip(count - 1).FirstOrDefault() is { } entry)
            {
                return entry;
            }

            await changed.WaitAsync(TestScale.Patience, TestContext.Current.CancellationToken);
        }
    }

    public ILogger CreateLogger(string categoryName) => new Logger(this, categoryName);

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

    public void Dispose()
    {
    }

    private void Add(RecordedEntry entry)
    {
        TaskCompletionSource changed;
        lock (_gate)
        {
            _entries.Add(entry);
            changed = _changed;
            _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        changed.SetResult();
    }

    private sealed class Logger(RecordedLog log, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            log.Add(new RecordedEntry(eventId.Id, logLevel, category, formatter(state, exception), Values(state)));

        private static Dictionary<string, string?> Values<TState>(TState state) =>
            state is IReadOnlyList<KeyValuePair<string, object?>> values ? values.ToDictionary(pair => pair.Key, pair => pair.Value?.ToString()) : [];
    }
}

internal sealed record RecordedEntry(int Id, LogLevel Level, string Category, string Text, IReadOnlyDictionary<string, string?> Values);
