using System.CommandLine;
using Millrace.App;
using Xunit;

namespace Millrace.Cli.Tests;

public sealed class HelpTests
{
    [Fact]
    public void EveryCommand_HasHelpWithExamples_ThatParse()
    {
        var root = CommandLine.CreateRoot(NewContext(new MemoryStream()));
        var commands = Descendants(root).ToList();
        Assert.True(commands.Count > 15);
        foreach (var command in commands)
        {
            var described = Assert.IsType<CliCommand>(command);
            Assert.False(string.IsNullOrEmpty(described.Description));
            Assert.NotEmpty(described.Examples);
            foreach (var example in described.Examples)
            {
                var start = example.IndexOf("millrace ", StringComparison.Ordinal);
                var words = SplitLikeAShell(example[start..].Split(" < ")[0]).Skip(1).ToArray();
                Assert.True(root.Parse(words).Errors.Count == 0, example);
            }
        }

    }

    [Theory]
    [InlineData]
    [InlineData("send")]
    [InlineData("dead")]
    [InlineData("dead", "redrive")]
    [InlineData("queue", "create")]
    public async Task Help_GoesToTheOutput_AndIsASuccess(params string[] path)
    {
        var output = new MemoryStream();

        var code = await CommandLine.RunAsync([.. path, "--help"], NewContext(output), TestContext.Current.CancellationToken);

        var text = System.Text.Encoding.UTF8.GetString(output.ToArray());
        Assert.Equal(ExitCodes.Done, code);
        Assert.Contains("Examples:\n  millrace ", text, StringComparison.Ordinal);
        Assert.Equal(path.Length == 0, text.Contains("Exit codes:", StringComparison.Ordinal));
    }

    private static IEnumerable<Command> Descendants(Command command) =>
        command.Subcommands.SelectMany(child => Descendants(child).Prepend(child));

    // Single quotes are the only ones that examples use.
    private static IEnumerable<string> SplitLikeAShell(string text) =>
        text.Split('\'').SelectMany((part, index) => index % 2 == 1 ? [part] : part.Split(' ', StringSplitOptions.RemoveEmptyEntries));

    private static CliContext NewContext(Stream output) => new() { Input = Stream.Null, Output = output, Error = TextWriter.Null };
}
