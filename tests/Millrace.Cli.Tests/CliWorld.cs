using System.Text;
using Millrace.App;
using Millrace.Storage;
using Xunit;

namespace Millrace.Cli.Tests;

/// <summary>Commands in this process, against one backend that outlives them, as a file would.</summary>
internal sealed class CliWorld : IAsyncDisposable
{
    private CliWorld(Backend backend) => Backend = backend;

    public Backend Backend { get; }

    public IQueueStore Queues => Backend.Require<IQueueStore>();

    public IQueueAdmin Admin => Backend.Require<IQueueAdmin>();

    public static async Task<CliWorld> OpenAsync(string url = "memory:") =>
        new(await BackendRegistry.CreateDefault().OpenAsync(url, cancellationToken: TestContext.Current.CancellationToken));

    /// <summary>A world whose store is a <see cref="DistantStore"/>.</summary>
    public static async Task<(CliWorld World, DistantStore Store)> OpenDistantAsync()
    {
        var near = await BackendRegistry.CreateDefault().OpenAsync("memory:", cancellationToken: TestContext.Current.CancellationToken);
        var store = new DistantStore(near);
        return (new CliWorld(Backend.Of("distant", store)), store);
    }

    public Task<CliResult> RunAsync(params string[] args) => RunWithInputAsync("", args);

    public Task<CliResult> RunWithInputAsync(string input, params string[] args) => RunAsync(input, args, TestContext.Current.CancellationToken);

    /// <summary>Runs a command that <paramref name="stop"/> tells to stop, as Ctrl-C does.</summary>
    public async Task<CliResult> RunAsync(string input, string[] args, CancellationToken stop)
    {
        var output = new MemoryStream();
        var error = new StringWriter();
        var context = new CliContext
        {
            Input = new MemoryStream(Encoding.UTF8.GetBytes(input)),
            Output = output,
            Error = TextWriter.Synchronized(error),
            ReadVariable = static _ => null,
            OpenBackend = (_, _) => new ValueTask<Backend>(new Borrowed(Backend)),
        };
        var code = await CommandLine.RunAsync(args, context, stop);
        return new CliResult(code, Encoding.UTF8.GetString(output.ToArray()), error.ToString());
    }

    public ValueTask DisposeAsync() => Backend.DisposeAsync();

    private sealed class Borrowed(Backend backend) : Backend
    {
        public override string Name => backend.Name;

        public override IQueueStore? Queues => backend.Queues;

        public override IStreamStore? Streams => backend.Streams;

        public override IStateStore? State => backend.State;

        public override IHealthProbe Health => backend.Health;

        public override ValueTask DisposeAsync() => default;
    }
}
