using Millrace.Server.Security;
using Millrace.Server.Security.Users;
using Millrace.Storage;
using Xunit;

namespace Millrace.Server.Tests.Security;

/// <summary>A folder of a test's own with a users file in it; gone after the test.</summary>
internal sealed class UsersFolder : IDisposable
{
    /// <summary>As good as more where nobody attacks, and a thousand times faster.</summary>
    public const int FewIterations = 1000;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("millrace-users-");

    public string Path => _folder.FullName;

    public string File => System.IO.Path.Combine(Path, "users.json");

    public static UserEntry User(string name, string? password = null, params string[] roles) => new()
    {
        Name = name,
        Password = password is null ? null : PasswordHash.Create(password, FewIterations),
        Roles = roles,
    };

    public static RoleEntry Role(string name, Permission permission, params string[] queues) =>
        new(name, [new RoleRule { Allow = [permission], Queues = [.. queues.Select(text => TopicPattern.Parse(text))] }]);

    public Task EditAsync(Func<UsersDocument, UsersDocument> change) =>
        UsersFile.EditAsync(File, mayCreate: true, change, TimeProvider.System, TestContext.Current.CancellationToken);

    public Task WriteAsync(params UserEntry[] users) => EditAsync(document => document with { Users = users });

    public void Dispose() => _folder.Delete(recursive: true);
}
