using System.Reflection;
using Xunit;

namespace Millrace.Tidy.Tests;

/// <summary>
/// The public surface of each library is a file that is reviewed: <c>PublicApi.txt</c> beside its project. After a change that is meant, run the
/// tests once with <c>MILLRACE_UPDATE_PUBLIC_API=1</c> and commit the file with the change.
/// </summary>
public sealed class PublicApiTests
{
    public static TheoryData<string, string> Libraries => new()
    {
        { "Millrace", "src/Millrace" },
        { "Millrace.Server", "src/Millrace.Server" },
        { "Millrace.Stomp", "src/Millrace.Stomp" },
        { "Millrace.Testing", "src/Millrace.Testing" },
        { "Millrace.FluentValidation", "src/Millrace.FluentValidation" },
        { "Millrace.Sqlite", "backends/Sqlite" },
        { "Millrace.Redis", "backends/Redis" },
    };

    [Theory]
    [MemberData(nameof(Libraries))]
    public void TheSurface_IsTheReviewedOne(string assembly, string folder)
    {
        var actual = PublicApiText.Of(Assembly.Load(assembly));
        var path = Path.Combine(Repository.Root, folder, "PublicApi.txt");
        if (Environment.GetEnvironmentVariable("MILLRACE_UPDATE_PUBLIC_API") == "1")
        {
            File.WriteAllLines(path, actual);
        }

        var reviewed = File.Exists(path) ? File.ReadAllLines(path) : [];
        var added = actual.Except(reviewed).Select(line => "+ " + line);
        var removed = reviewed.Except(actual).Select(line => "- " + line);
        Assert.True(
            actual.SequenceEqual(reviewed),
            $"The public API of {assembly} differs from {folder}/PublicApi.txt. If it is meant, run with MILLRACE_UPDATE_PUBLIC_API=1 and review the file:\n{string.Join('\n', added.Concat(removed))}");
    }

    [Fact]
    public void EveryLibrary_IsListed()
    {
        var libraries = Repository.FindFiles("*.csproj")
            .Where(project => (project.StartsWith("src/", StringComparison.Ordinal) || project.StartsWith("backends/", StringComparison.Ordinal)) && !project.Contains("/tests/", StringComparison.Ordinal))
            .Select(project => Path.GetFileNameWithoutExtension(project));

        Assert.Equal(libraries.Order(StringComparer.Ordinal), Libraries.Select(row => row.Data.Item1).Order(StringComparer.Ordinal));
    }
}
