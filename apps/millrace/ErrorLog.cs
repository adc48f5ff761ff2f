using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Millrace.App;

/// <summary>
/// Warnings and errors of the machinery, one line each, on the error stream, once it is <see cref="IsOpen"/>: what goes wrong before that is thrown, and said once. Damage to
/// stored data is told at any time. Safe for concurrent use as far as its writer is.
/// </summary>
internal sealed class ErrorLog(TextWriter error) : ILoggerFactory, ILogger
{
    // Of stored data; see LogMessages of the core. Who reads or stores something else meanwhile is not told by any error.
    private static readonly HashSet<int> Damage = [1300, 1310, 1311, 1322, 1323, 1324];

    private volatile bool _isOpen;

    /// <summary>Whether anything is written.</summary>
    public bool IsOpen
    {
        get => _isOpen;
        set => _isOpen = value;
    }

    public ILogger CreateLogger(string categoryName) => this;

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException("The error stream is the only log.");

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull =>
        NullLogger.Instance.BeginScope(state);

    public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (IsEnabled(logLevel) && (_isOpen || Damage.Contains(eventId.Id)))
        {
            var cause = exception is null ? "" : $" ({exception.Message.ReplaceLineEndings(" ")})";
            error.WriteLine($"millrace: {formatter(state, exception).ReplaceLineEndings(" ")}{cause}");
        }
    }

    public void Dispose()
    {
    }
}
