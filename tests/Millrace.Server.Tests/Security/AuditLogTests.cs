using System.Net;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Millrace.Server.Security;
using Millrace.Testing;
using Xunit;

namespace Millrace.Server.Tests.Security;

[System.Runtime.Versioning.UnsupportedOSPlatform("windows")]
public sealed class AuditLogTests : IDisposable
{
    private readonly UsersFolder _folder = new();
    private readonly RecordedLog _log = new();
    private readonly string _file;

    public AuditLogTests() => _file = Path.Combine(_folder.Path, "audit.jsonl");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task AnAction_IsAMessageWithItsParts_AndALineOfJson()
    {
        var audit = AuditLog.Open(_file, new ManualTimeProvider(), _log);

        audit.Record(Ada(), IPAddress.Parse("192.0.2.1"), "queue.purge", "orders", AuditOutcome.Done);
        audit.Record(Ada(), null, "queue.delete", "mail", AuditOutcome.Denied);

        var done = Assert.Single(_log.Of(2100));
        Assert.Equal(("Millrace.Audit", LogLevel.Information, "ada at 192.0.2.1: queue.purge orders: done"), (done.Category, done.Level, done.Text));
        Assert.Equal(("ada", "192.0.2.1", "queue.purge", "orders", "done"), (done.Values["User"], done.Values["Address"], done.Values["Action"], done.Values["Resource"], done.Values["Outcome"]));
        Assert.Equal(LogLevel.Warning, Assert.Single(_log.Of(2101)).Level);
        var lines = await File.ReadAllLinesAsync(_file, Token);
        Assert.Equal(
            ["""{"time":"2030-01-01T00:00:00+00:00","user":"ada","address":"192.0.2.1","action":"queue.purge","resource":"orders","outcome":"done"}""",
                """{"time":"2030-01-01T00:00:00+00:00","user":"ada","address":"-","action":"queue.delete","resource":"mail","outcome":"denied"}"""],
            lines);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_file));
    }

    [Theory]
    [InlineData("a\r\nadmin at 1.2.3.4: queue.delete x: done")]
    [InlineData("a\u2028b\u0085c\u2029d")]
    [InlineData("a\u202Eb\u0000c\u001b[2K")]
    [InlineData("a\uD800b")]
    public async Task HostileNames_DoNotBeginLinesOfTheirOwn(string name)
    {
        var audit = AuditLog.Open(_file, TimeProvider.System, _log);

        audit.Record(Ada(), null, "queue.purge", name, AuditOutcome.Done);

        Assert.DoesNotContain(_log.Of(2100)[0].Text, c => char.IsControl(c) || c is '\u2028' or '\u2029' or '\u202E' || char.IsSurrogate(c));
        Assert.Equal("queue.purge", JsonElement.Parse(Assert.Single(await File.ReadAllLinesAsync(_file, Token))).GetProperty("action").GetString());
    }

    [Fact]
    public void LongNames_AreCut()
    {
        AuditLog.Open(null, TimeProvider.System, _log).Record(Ada(), null, "x", new string('n', 100_000), AuditOutcome.Done);

        Assert.InRange(_log.Of(2100)[0].Text.Length, 1, 400);
    }

    [Fact]
    public async Task ConcurrentLines_AreWhole()
    {
        var audit = AuditLog.Open(_file, TimeProvider.System, _log);

        await Task.WhenAll(Enumerable.Range(0, 8).Select(i => Task.Run(() =>
        {
            for (var j = 0; j < 50; j++)
            {
                audit.Record(Ada(), null, "x", $"{i}-{j}", AuditOutcome.Done);
            }
        })));

        var lines = await File.ReadAllLinesAsync(_file, Token);
        Assert.Equal(400, lines.Select(line => JsonElement.Parse(line).GetProperty("resource").GetString()).Distinct().Count());
    }

    [Fact]
    public void AFileThatCannotBeWritten_IsAFaultAtTheStart_AndAMessageLater()
    {
        var folder = Path.Combine(_folder.Path, "logs");
        var file = Path.Combine(folder, "audit.jsonl");
        Assert.Contains(file, Assert.Throws<MillraceConfigurationException>(() => AuditLog.Open(file, TimeProvider.System, _log)).Message, StringComparison.Ordinal);

        Directory.CreateDirectory(folder);
        var audit = AuditLog.Open(file, TimeProvider.System, _log);
        Directory.Delete(folder, recursive: true);
        audit.Record(Ada(), null, "x", "1", AuditOutcome.Done);
        audit.Record(Ada(), null, "x", "2", AuditOutcome.Done);
        Assert.Single(_log.Of(2102));
        Assert.Equal(2, _log.Of(2100).Count);

        Directory.CreateDirectory(folder);
        audit.Record(Ada(), null, "x", "3", AuditOutcome.Done);
        Assert.Contains("\"3\"", File.ReadAllText(file), StringComparison.Ordinal);
    }

    private static UserCaller Ada() => new(UsersFolder.User("ada"), Millrace.Server.Security.Users.UsersDocument.Empty);
}
