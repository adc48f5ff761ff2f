using System.Text;
using Millrace.Server.Security;
using Millrace.Server.Security.Users;
using Xunit;

namespace Millrace.Server.Tests.Security;

[System.Runtime.Versioning.UnsupportedOSPlatform("windows")]
public sealed class UsersFileTests : IDisposable
{
    private const string Hash = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    private const string Key = $$"""{"name":"k","id":"0123456789abcdef","hash":"{{Hash}}","created":"2030-01-01T00:00:00Z"}""";

    private readonly UsersFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task WhatIsWritten_IsReadBack()
    {
        var (key, text) = BearerKey.Create("laptop", new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero), new DateTimeOffset(2031, 1, 1, 0, 0, 0, TimeSpan.Zero));
        var ada = UsersFolder.User("Ada Lovelace \"ä\" 😀", "correct horse", "admin", "worker") with { Keys = [key], IsDisabled = true };

        await _folder.EditAsync(document => document.With(ada).With(UsersFolder.Role("worker", Permission.Manage, "orders*", "[a-z]?")));

        var read = UsersFile.Read(_folder.File);
        var user = Assert.Single(read.Users);
        Assert.Equal((ada.Name, true, "admin worker"), (user.Name, user.IsDisabled, string.Join(' ', user.Roles)));
        Assert.True(user.Password!.Matches("correct horse"));
        Assert.False(user.Password.Matches("correct horsf"));
        var kept = Assert.Single(user.Keys);
        Assert.Equal((key.Name, key.Id, key.CreatedAt, key.ExpiresAt), (kept.Name, kept.Id, kept.CreatedAt, kept.ExpiresAt));
        Assert.True(kept.Matches(text));
        Assert.DoesNotContain(text[^43..], await File.ReadAllTextAsync(_folder.File, TestContext.Current.CancellationToken), StringComparison.Ordinal);
        var rule = Assert.Single(Assert.Single(read.Roles).Rules);
        Assert.Equal(Permission.Manage, Assert.Single(rule.Allow));
        Assert.Equal(["orders*", "[a-z]?"], rule.Queues.Select(pattern => pattern.Text));
    }

    [Fact]
    public async Task TheFile_IsItsOwnersAlone_AndNothingElseIsLeft()
    {
        await _folder.WriteAsync(UsersFolder.User("ada"));

        Assert.Equal(["users.json", "users.json.lock"], Directory.EnumerateFiles(_folder.Path).Select(Path.GetFileName).Order());
        Assert.All(Directory.EnumerateFiles(_folder.Path), file => Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file)));
    }

    [Fact]
    public async Task WhenRootChangesTheFile_ItStaysWhoseItWas_AndAFirstOneIsItsFoldersOwners()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess, "Only root may give files away.");
        await RunAsync("chown", "12345:12346", _folder.Path);

        await _folder.WriteAsync(UsersFolder.User("ada"));
        Assert.Equal("12345:12346 600\n", await RunAsync("stat", "-c", "%u:%g %a", _folder.File));
        Assert.Equal("12345:12346 600\n", await RunAsync("stat", "-c", "%u:%g %a", _folder.File + ".lock"));

        await RunAsync("chown", "0:12347", _folder.File);
        await RunAsync("chmod", "644", _folder.File);
        await _folder.WriteAsync(UsersFolder.User("bob"));
        Assert.Equal("0:12347 640\n", await RunAsync("stat", "-c", "%u:%g %a", _folder.File));
    }

    [Fact]
    public async Task AChangeThatFails_LeavesTheFileAsItWas()
    {
        await _folder.WriteAsync(UsersFolder.User("ada"));
        var before = await File.ReadAllBytesAsync(_folder.File, TestContext.Current.CancellationToken);

        await Assert.ThrowsAsync<InvalidOperationException>(() => _folder.EditAsync(_ => throw new InvalidOperationException()));

        Assert.Equal(before, await File.ReadAllBytesAsync(_folder.File, TestContext.Current.CancellationToken));
        await _folder.EditAsync(document => document.With(UsersFolder.User("bob")));
        Assert.Equal(2, UsersFile.Read(_folder.File).Users.Count);
    }

    [Fact]
    public async Task ALink_IsFollowed_AndStays()
    {
        await _folder.WriteAsync(UsersFolder.User("ada"));
        var link = Path.Combine(_folder.Path, "link.json");
        File.CreateSymbolicLink(link, _folder.File);

        await UsersFile.EditAsync(
            link, mayCreate: false, document => document.With(UsersFolder.User("bob")), TimeProvider.System, TestContext.Current.CancellationToken);

        Assert.NotNull(new FileInfo(link).LinkTarget);
        Assert.Equal(2, UsersFile.Read(_folder.File).Users.Count);
    }

    [Fact]
    public async Task ConcurrentChanges_AreAllKept()
    {
        await Task.WhenAll(Enumerable.Range(0, 40).Select(i => Task.Run(() => _folder.EditAsync(document => document.With(UsersFolder.User($"user-{i}"))))));

        Assert.Equal(40, UsersFile.Read(_folder.File).Users.Count);
    }

    [Fact]
    public async Task AFileThatIsNotThere_IsMadeOnlyWhereThatIsMeant()
    {
        var fault = await Assert.ThrowsAsync<MillraceConfigurationException>(() =>
            UsersFile.EditAsync(_folder.File, mayCreate: false, document => document, TimeProvider.System, TestContext.Current.CancellationToken));

        Assert.Contains($"There is no users file {_folder.File}", fault.Message, StringComparison.Ordinal);
        Assert.Contains("millrace user add", fault.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFiles(_folder.Path));
    }

    [Theory]
    [InlineData("", "is not JSON, line 1")]
    [InlineData("{\n  \"users\": [\n    {\"name\" \"a\"}\n  ]\n}", "is not JSON, line 3")]
    [InlineData("{\"users\": []", "is not JSON, line 1")]
    [InlineData("{} x", "is not JSON, line 1")]
    [InlineData("[]", "line 1: the file is an object in braces")]
    [InlineData("{\n\"user\": []}", "line 2: the file has no field 'user', only users, roles; did you mean 'users'?")]
    [InlineData("{\"users\": {}}", "'users' takes a list in brackets")]
    [InlineData("{\"users\": [1]}", "a user is an object in braces")]
    [InlineData("{\"users\": [\n{\"name\":\"a\",\n\"rolls\":[]}]}", "line 3: a user has no field 'rolls', only name, password, keys, roles, disabled; did you mean 'roles'?")]
    [InlineData("{\"users\": [\n\n{\"roles\":[]}]}", "line 3: a user needs 'name'")]
    [InlineData("{\"users\": [{\"name\":null}]}", "'name' takes a text")]
    [InlineData("{\"users\": [{\"name\":\"\"}]}", "the name of a user has 1 to 100 characters, not 0")]
    [InlineData("{\"users\": [{\"name\":\"a:b\"}]}", "character 2 is U+003A")]
    [InlineData("{\"users\": [{\"name\":\"a\\nb\"}]}", "character 2 is U+000A")]
    [InlineData("{\"users\": [{\"name\":\"a\\ud800\"}]}", "line 1")]
    [InlineData("{\"users\": [{\"name\":\"a\",\"name\":\"b\"}]}", "the field 'name' stands there twice")]
    [InlineData("{\"users\": [{\"name\":\"a\"},\n{\"name\":\"a\"}]}", "line 2: there are two users 'a'")]
    [InlineData("{\"users\": [{\"name\":\"a\",\"disabled\":\"yes\"}]}", "'disabled' takes true or false")]
    [InlineData("{\"users\": [{\"name\":\"a\",\n\"roles\":[\"wroker\"]}],\n\"roles\":[{\"name\":\"worker\",\"rules\":[]}]}", "line 2: there is no role 'wroker'; did you mean 'worker'?")]
    [InlineData("{\"users\": [{\"name\":\"a\",\"password\":\"secret\"}]}", "a password is an object in braces")]
    [InlineData("{\"users\": [{\"name\":\"a\",\"password\":{\"algorithm\":\"md5\"}}]}", "there is no algorithm 'md5', only pbkdf2-sha256")]
    [InlineData("{\"users\": [{\"name\":\"a\",\"password\":{\"iterations\":0}}]}", "'iterations' takes a whole number from 1 to 20,000,000")]
    [InlineData("{\"users\": [{\"name\":\"a\",\"password\":{\"salt\":\"AAAA\"}}]}", "'salt' takes Base64 of 16 to 64 bytes")]
    [InlineData("{\"users\": [{\"name\":\"a\",\"password\":{\"algorithm\":\"pbkdf2-sha256\",\"iterations\":9}}]}", "a password needs 'salt'")]
    [InlineData("{\"users\": [{\"name\":\"a\",\"keys\":[{\"id\":\"X\"}]}]}", "the id of a key is 16 hexadecimal digits")]
    [InlineData($"{{\"users\": [{{\"name\":\"a\",\"keys\":[{Key},\n{Key}]}}]}}", "line 2: there are two keys 'k' of one user")]
    [InlineData($"{{\"users\": [{{\"name\":\"a\",\"keys\":[{Key}]}},{{\"name\":\"b\",\"keys\":[\n{Key}]}}]}}", "line 2: there are two keys with the id 0123456789abcdef")]
    [InlineData("{\"users\": [{\"name\":\"a\",\"keys\":[{\"created\":\"soon\"}]}]}", "'created' takes a time such as")]
    [InlineData("{\"roles\": [{\"name\":\"admin\",\"rules\":[]}]}", "the role 'admin' is built in")]
    [InlineData("{\"roles\": [{\"name\":\"r\",\"rules\":[{\"allow\":[\"recieve\"]}]}]}", "there is no permission 'recieve', only send, receive, manage; did you mean 'receive'?")]
    [InlineData("{\"roles\": [{\"name\":\"r\",\"rules\":[{\"queues\":[\"*\"]}]}]}", "a rule needs 'allow'")]
    [InlineData("{\"roles\": [{\"name\":\"r\",\"rules\":[{\"allow\":[\"send\"],\"queues\":[\"\"]}]}]}", "is no valid topic pattern name: it is empty")]
    public async Task AMalformedFile_IsRefused_WithLineAndReason(string text, string reason)
    {
        await File.WriteAllTextAsync(_folder.File, text, TestContext.Current.CancellationToken);

        var fault = Assert.Throws<MillraceConfigurationException>(() => UsersFile.Read(_folder.File));

        Assert.Contains(_folder.File, fault.Message, StringComparison.Ordinal);
        Assert.Contains(reason, fault.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("BytePosition", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void RandomBytesAndCutFiles_AreRefused_NeverAnotherFault()
    {
        var random = new Random(TestScale.Seed());
        var valid = Encoding.UTF8.GetBytes(
            $$"""{"users":[{"name":"a","roles":["r"],"password":{"algorithm":"pbkdf2-sha256","iterations":5,"salt":"AAAAAAAAAAAAAAAAAAAAAA==","hash":"{{Hash}}"},"keys":[{{Key}}]}],"roles":[{"name":"r","rules":[{"allow":["send"],"queues":["*"]}]}]}""");
        _ = UsersFileReader.Read("users.json", valid);
        for (var round = 0; round < 5000; round++)
        {
            var bytes = valid.ToArray();
            for (var i = random.Next(1, 4); i > 0; i--)
            {
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            }

            try
            {
                UsersFileReader.Read("users.json", bytes.AsSpan(0, random.Next(2) == 0 ? bytes.Length : random.Next(bytes.Length)));
            }
            catch (MillraceConfigurationException)
            {
                // What is expected of most.
            }
        }
    }

    [Fact]
    public void OldParameters_GoOnWorking()
    {
        var old = new PasswordHash(3, new byte[16], System.Security.Cryptography.Rfc2898DeriveBytes.Pbkdf2("p", new byte[16], 3, System.Security.Cryptography.HashAlgorithmName.SHA256, 32));

        Assert.True(old.Matches("p"));
        Assert.Equal(600_000, PasswordHash.DefaultIterations);
    }

    private static async Task<string> RunAsync(string program, params string[] arguments)
    {
        using var process = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo(program, arguments) { RedirectStandardOutput = true })!;
        var output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(0, process.ExitCode);
        return output;
    }
}
