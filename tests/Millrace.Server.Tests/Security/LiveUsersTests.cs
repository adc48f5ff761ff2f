using Millrace.Server.Security.Users;
using Millrace.Testing;
using Xunit;

namespace Millrace.Server.Tests.Security;

[System.Runtime.Versioning.UnsupportedOSPlatform("windows")]
public sealed class LiveUsersTests : IDisposable
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    private readonly UsersFolder _folder = new();
    private readonly RecordedLog _log = new();
    private readonly ManualTimeProvider _clock = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task AnEdit_IsTakenOver_ByTheSystemsClock()
    {
        await _folder.WriteAsync(UsersFolder.User("ada"));
        using var users = LiveUsers.Open(_folder.File, TimeProvider.System, _log.CreateLogger("x"));

        await _folder.WriteAsync(UsersFolder.User("bob"));

        await _log.WaitForAsync(2110, count: 2);
        Assert.Null(users.Current.Find("ada"));
        Assert.NotNull(users.Current.Find("bob"));
    }

    [Fact]
    public async Task EditsInPlace_AndReplacements_AreBothTakenOver()
    {
        await _folder.WriteAsync(UsersFolder.User("ada"));
        using var users = Open();

        await File.WriteAllTextAsync(_folder.File, """{"users":[{"name":"bob"}]}""", Token);
        _clock.Advance(Second);
        Assert.NotNull(users.Current.Find("bob"));

        var other = Path.Combine(_folder.Path, "other");
        await File.WriteAllTextAsync(other, """{"users":[{"name":"cyd"}]}""", Token);
        File.Move(other, _folder.File, overwrite: true);
        _clock.Advance(Second);
        Assert.NotNull(users.Current.Find("cyd"));
        Assert.Null(users.Current.Find("bob"));
    }

    [Fact]
    public async Task ASecondEditOfTheSameLengthAndTime_IsNoticed()
    {
        await _folder.WriteAsync(UsersFolder.User("ada"));
        using var users = Open();
        var time = File.GetLastWriteTimeUtc(_folder.File);
        var text = await File.ReadAllTextAsync(_folder.File, Token);

        await File.WriteAllTextAsync(_folder.File, text.Replace("ada", "bob", StringComparison.Ordinal), Token);
        File.SetLastWriteTimeUtc(_folder.File, time);
        _clock.Advance(TimeSpan.FromSeconds(5));

        Assert.NotNull(users.Current.Find("bob"));
    }

    [Fact]
    public async Task ABrokenEdit_KeepsTheLastUsers_AndIsLoggedOnce_WithFileAndFault()
    {
        await _folder.WriteAsync(UsersFolder.User("ada"));
        using var users = Open();

        await File.WriteAllTextAsync(_folder.File, "{\n  \"user\": []\n}", Token);
        _clock.Advance(TimeSpan.FromSeconds(30));

        Assert.NotNull(users.Current.Find("ada"));
        var refusal = Assert.Single(_log.Of(2111));
        Assert.Contains(_folder.File, refusal.Text, StringComparison.Ordinal);
        Assert.Contains("line 2: the file has no field 'user', only users, roles; did you mean 'users'?", refusal.Text, StringComparison.Ordinal);

        await File.WriteAllTextAsync(_folder.File, """{"users":[{"name":"eve"}]}""", Token);
        _clock.Advance(Second);
        Assert.NotNull(users.Current.Find("eve"));
    }

    [Fact]
    public async Task ADeletedFile_KeepsTheLastUsers_UntilItIsBack()
    {
        await _folder.WriteAsync(UsersFolder.User("ada"));
        using var users = Open();

        File.Delete(_folder.File);
        _clock.Advance(TimeSpan.FromSeconds(30));
        Assert.NotNull(users.Current.Find("ada"));
        Assert.Contains("There is no users file", Assert.Single(_log.Of(2111)).Text, StringComparison.Ordinal);

        await _folder.WriteAsync(UsersFolder.User("bob"));
        _clock.Advance(Second);
        Assert.NotNull(users.Current.Find("bob"));
    }

    [Fact]
    public async Task AFileThatIsBeingWritten_IsNotCalledBroken()
    {
        await _folder.WriteAsync(UsersFolder.User("ada"));
        using var users = Open();

        await File.WriteAllTextAsync(_folder.File, """{"users":[{"name":""", Token);
        _clock.Advance(_clock.UntilNextTimer!.Value);
        await File.WriteAllTextAsync(_folder.File, """{"users":[{"name":"bob"}]}""", Token);
        _clock.Advance(Second);

        Assert.NotNull(users.Current.Find("bob"));
        Assert.Empty(_log.Of(2111));
    }

    [Fact]
    public async Task WhatStays_IsNotReadAgain()
    {
        await _folder.WriteAsync(UsersFolder.User("ada"));
        using var users = Open();
        var current = users.Current;

        File.SetLastWriteTimeUtc(_folder.File, DateTime.UnixEpoch);
        _clock.Advance(TimeSpan.FromMinutes(1));

        Assert.Same(current, users.Current);
    }

    [Fact]
    public async Task AFileThatOthersCanRead_IsWarnedOf()
    {
        await _folder.WriteAsync(UsersFolder.User("ada"));
        File.SetUnixFileMode(_folder.File, UnixFileMode.UserRead | UnixFileMode.OtherRead);

        using var users = Open();

        Assert.Contains("mode 404", Assert.Single(_log.Of(2112)).Text, StringComparison.Ordinal);
    }

    [Fact]
    public void AtTheStart_AMissingFileIsAFault() =>
        Assert.Contains("There is no users file", Assert.Throws<MillraceConfigurationException>(Open).Message, StringComparison.Ordinal);

    private LiveUsers Open() => LiveUsers.Open(_folder.File, _clock, _log.CreateLogger("x"));
}
