using System.Threading.Channels;
using Microsoft.Extensions.Logging;

namespace Millrace.Redis.Tests.Client;

/// <summary>Keeps what is logged, for a test that waits for it. Safe for concurrent use.</summary>
internal sealed class RecordedLog : ILoggerFactory, ILogger
{
    private readonly Channel<(int Id, LogLevel Level, string Text)> _entries = Channel.CreateUnbounded<(int, LogLevel, string)>();

    /// <summary>The next entry with this id, whatever comes before.</summary>
    public async Task<(LogLevel Level, string Text)> WaitForAsync(int id, CancellationToken cancellationToken)
    {
        while (true)
        {
            var entry = await _entries.Reader.ReadAsync(cancellationToken);
            if (entry.Id == id)
            {
                return (entry.Level, entry.Text);
            }
        }
    }

    public ILogger CreateLogger(string categoryName) => this;

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException("This is the only log.");

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        _entries.Writer.TryWrite((eventId.Id, logLevel, formatter(state, exception)));

    public void Dispose()
    {
    }
}
