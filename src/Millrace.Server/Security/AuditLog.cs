using System.Buffers;
using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Millrace.Server.Security;

/// <summary>
/// Who did what with which resource, from where, and how it ended: administrative actions, and logins and requests that were refused. Each event is a log message of the
/// category <c>Millrace.Audit</c>, and a line of JSON in a file where one is set. What comes from outside cannot begin a line of its own. Safe for concurrent use.
/// </summary>
internal sealed class AuditLog
{
    /// <summary>The category of the log messages.</summary>
    public const string Category = "Millrace.Audit";

    // The longest name that Millrace allows, with room for what a pattern or a list of names adds.
    private const int ShownCharacters = 300;

    private readonly Lock _gate = new();
    private readonly ILogger _logger;
    private readonly TimeProvider _timeProvider;
    private readonly string? _file;
    private bool _fileFailed;

    private AuditLog(string? file, TimeProvider timeProvider, ILogger logger) => (_file, _timeProvider, _logger) = (file, timeProvider, logger);

    /// <summary>Makes sure that the file, if there is to be one, can be written.</summary>
    /// <exception cref="MillraceConfigurationException">It cannot.</exception>
    public static AuditLog Open(string? file, TimeProvider timeProvider, ILoggerFactory loggerFactory)
    {
        try
        {
            if (file is not null)
            {
                Append(file, []);
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new MillraceConfigurationException($"The audit file {file} cannot be written: {exception.Message}", exception);
        }

        return new AuditLog(file, timeProvider, loggerFactory.CreateLogger(Category));
    }

    /// <summary>Records an administrative action of a request's caller.</summary>
    /// <param name="context">The request.</param>
    /// <param name="action">What was done, such as <c>queue.purge</c>.</param>
    /// <param name="resource">With what: the name of a queue, a lock, a receiver.</param>
    /// <param name="outcome">How it ended.</param>
    public void Record(HttpContext context, string action, string resource, AuditOutcome outcome)
    {
        ArgumentNullException.ThrowIfNull(context);
        Record(Caller.Of(context), context.Connection.RemoteIpAddress, action, resource, outcome);
    }

    /// <summary>Records an administrative action of somebody who did not come by HTTP.</summary>
    public void Record(Caller caller, IPAddress? address, string action, string resource, AuditOutcome outcome)
    {
        ArgumentNullException.ThrowIfNull(caller);
        Write(caller.Name, address, action, resource, NameOf(outcome), outcome != AuditOutcome.Done);
    }

    /// <summary>Records a request that was refused before anybody had been proven to make it.</summary>
    public void Refuse(HttpContext context, string claimedName, string action, string resource, string outcome) =>
        Refuse(claimedName, context.Connection.RemoteIpAddress, action, resource, outcome);

    /// <summary>Records a refusal of somebody unproven who did not come by HTTP.</summary>
    public void Refuse(string claimedName, IPAddress? address, string action, string resource, string outcome) =>
        Write(claimedName, address, action, resource, outcome, isRefusal: true);

    private static string NameOf(AuditOutcome outcome) => outcome switch
    {
        AuditOutcome.Done => "done",
        AuditOutcome.Denied => "denied",
        _ => "failed",
    };

    private void Write(string user, IPAddress? address, string action, string resource, string outcome, bool isRefusal)
    {
        user = Visible(user);
        resource = Visible(resource);
        var from = address?.ToString() ?? "-";
        if (isRefusal)
        {
            _logger.AuditedRefusal(user.Length == 0 ? "-" : user, from, action, resource, outcome);
        }
        else
        {
            _logger.Audited(user.Length == 0 ? "-" : user, from, action, resource, outcome);
        }

        if (_file is not null)
        {
            WriteToFile(_file, LineOf(user, from, action, resource, outcome));
        }
    }

    private void WriteToFile(string file, ReadOnlySpan<byte> line)
    {
        lock (_gate)
        {
            try
            {
                // Opened each time, so that the file may be moved away by whoever rotates logs.
                Append(file, line);
                _fileFailed = false;
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                if (!_fileFailed)
                {
                    _fileFailed = true;
                    _logger.AuditFileFailed(exception, file);
                }
            }
        }
    }

    private static void Append(string file, ReadOnlySpan<byte> line)
    {
        var options = new FileStreamOptions { Mode = FileMode.Append, Access = FileAccess.Write, Share = FileShare.ReadWrite | FileShare.Delete, BufferSize = 0 };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        using var stream = new FileStream(file, options);
        stream.Write(line);
    }

    private ReadOnlySpan<byte> LineOf(string user, string address, string action, string resource, string outcome)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using var json = new Utf8JsonWriter(buffer);
        json.WriteStartObject();
        json.WriteString("time", _timeProvider.GetUtcNow());
        json.WriteString("user", user);
        json.WriteString("address", address);
        json.WriteString("action", action);
        json.WriteString("resource", resource);
        json.WriteString("outcome", outcome);
        json.WriteEndObject();
        json.Flush();
        buffer.Write("\n"u8);
        return buffer.WrittenSpan;
    }

    // Control characters, separators of lines, and marks that reverse text stand there as their numbers; the same goes for halves of surrogate pairs.
    private static string Visible(string text)
    {
        var shown = new StringBuilder(Math.Min(text.Length, ShownCharacters));
        foreach (var rune in text.EnumerateRunes())
        {
            if (shown.Length >= ShownCharacters)
            {
                return shown.Append('…').ToString();
            }

            if (Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator)
            {
                shown.Append(CultureInfo.InvariantCulture, $"\\u{rune.Value:X4}");
            }
            else
            {
                shown.Append(rune.ToString());
            }
        }

        return shown.ToString();
    }
}
