using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Millrace.Client;
using Millrace.Pipeline;
using Millrace.Queues;

namespace Millrace.Hosting;

/// <summary>
/// Says what an instance of Millrace does in an application: which messages it handles and sends, and how. Given to the function that is passed to
/// <see cref="MillraceServiceCollectionExtensions.AddMillrace(IServiceCollection, string, Action{MillraceBuilder}?)"/>. Not safe for concurrent use.
/// </summary>
public sealed partial class MillraceBuilder
{
    private readonly InstanceRegistry _instances;

    internal MillraceBuilder(IServiceCollection services, InstanceRegistry instances, string instance)
    {
        Services = services;
        Instance = instance;
        _instances = instances;
    }

    /// <summary>The application's services.</summary>
    public IServiceCollection Services { get; }

    /// <summary>The name of the instance; <c>default</c> unless inside <see cref="ForInstance(string, Action{MillraceBuilder})"/>.</summary>
    public string Instance { get; }

    // Looked up when something is added to it: an application may have named instances only.
    private InstanceRegistration Registration => _instances.Get(Instance);

    /// <summary>Handles the messages of a queue with a class: a new <typeparamref name="THandler"/> from the scope of each attempt, registered as scoped unless it is registered already.</summary>
    /// <typeparam name="TMessage">The type of the messages.</typeparam>
    /// <typeparam name="THandler">The class.</typeparam>
    /// <param name="queue">The queue.</param>
    /// <param name="options">How to work; null for defaults.</param>
    public MillraceBuilder AddHandler<[DynamicallyAccessedMembers(MessageType.Members)] TMessage, [DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(
        string queue, QueueWorkerOptions? options = null)
        where THandler : class, IMessageHandler<TMessage>
    {
        Services.TryAddScoped<THandler>();
        return AddHandler<TMessage>(
            queue,
            static (message, context, cancellationToken) => context.Services.GetRequiredService<THandler>().HandleAsync(message, context, cancellationToken),
            options);
    }

    /// <summary>Handles the messages of a queue with a function.</summary>
    /// <typeparam name="TMessage">The type of the messages.</typeparam>
    /// <param name="queue">The queue.</param>
    /// <param name="handler">Handles one message; services are in <see cref="MessageContext.Services"/>.</param>
    /// <param name="options">How to work; null for defaults.</param>
    public MillraceBuilder AddHandler<[DynamicallyAccessedMembers(MessageType.Members)] TMessage>(
        string queue, Func<TMessage, MessageContext, CancellationToken, Task> handler, QueueWorkerOptions? options = null)
    {
        ResourceName.RequireQueue(queue);
        ArgumentNullException.ThrowIfNull(handler);
        Registration.Workers.Add(client => client.Worker(queue, handler, options));
        return this;
    }

    /// <summary>Registers a <see cref="QueueClient{T}"/> for this queue: unkeyed for the default instance, else keyed by the instance's name. One queue for each type of message.</summary>
    /// <typeparam name="TMessage">The type of the messages.</typeparam>
    /// <param name="queue">The queue.</param>
    /// <exception cref="MillraceConfigurationException">The instance already has a queue for this type; further ones come from <see cref="MillraceClient.Queue{T}"/>.</exception>
    public MillraceBuilder AddQueue<[DynamicallyAccessedMembers(MessageType.Members)] TMessage>(string queue)
    {
        ResourceName.Require(queue, "queue");
        if (!Registration.SentTypes.TryAdd(typeof(TMessage), queue))
        {
            throw new MillraceConfigurationException(
                $"Messages of type {typeof(TMessage).Name} already go to the queue '{Registration.SentTypes[typeof(TMessage)]}'. For '{queue}', take MillraceClient and call Queue<{typeof(TMessage).Name}>(\"{queue}\").");
        }

        var (instance, registration) = (Instance, Registration);
        registration.Preparations.Add(client => client.Queue<TMessage>(queue));
        Services.AddKeyedSingleton(instance, (services, _) => new QueueClient<TMessage>(queue, services.GetRequiredKeyedService<MillraceClient>(instance)));
        if (registration.IsDefault)
        {
            Services.AddSingleton(services => services.GetRequiredKeyedService<QueueClient<TMessage>>(instance));
        }

        return this;
    }

    /// <summary>Sets options of the instance's client: serializers, compression, validators and middleware, for all queues or for one.</summary>
    public MillraceBuilder Configure(Action<MillraceClientOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(configure);
        return Configure((options, _) => configure(options));
    }

    /// <summary>Sets options of the instance's client with the help of the application's services.</summary>
    public MillraceBuilder Configure(Action<MillraceClientOptions, IServiceProvider> configure)
    {
        ArgumentNullException.ThrowIfNull(configure);
        Registration.Options.Add(configure);
        return this;
    }

    /// <summary>Adds a step around sending: one <typeparamref name="TMiddleware"/> for the application.</summary>
    public MillraceBuilder OnSend<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] TMiddleware>()
        where TMiddleware : class, ISendMiddleware
    {
        Services.TryAddSingleton<TMiddleware>();
        return Configure((options, services) => options.OnSend(services.GetRequiredService<TMiddleware>()));
    }

    /// <summary>Adds a step around handling: a new <typeparamref name="TMiddleware"/> from the scope of each attempt, registered as scoped unless it is registered already.</summary>
    public MillraceBuilder OnHandle<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] TMiddleware>()
        where TMiddleware : class, IHandleMiddleware
    {
        Services.TryAddScoped<TMiddleware>();
        return Configure(options => options.OnHandle(static (context, next, cancellationToken) =>
            context.Services.GetRequiredService<TMiddleware>().InvokeAsync(context, next, cancellationToken)));
    }

    /// <summary>Adds a validator of one type of messages: one <typeparamref name="TValidator"/> for the application.</summary>
    /// <typeparam name="TMessage">The type of the messages.</typeparam>
    /// <typeparam name="TValidator">The validator.</typeparam>
    /// <param name="queue">Only for messages of this queue; null for all.</param>
    public MillraceBuilder AddValidator<TMessage, [DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] TValidator>(string? queue = null)
        where TValidator : class, IMessageValidator<TMessage>
    {
        Services.TryAddSingleton<TValidator>();
        return Configure((options, services) =>
        {
            var validator = services.GetRequiredService<TValidator>();
            if (queue is null)
            {
                options.AddValidator(validator);
            }
            else
            {
                options.ForQueue(queue, pipeline => pipeline.AddValidator(validator));
            }
        });
    }

    /// <summary>Says what a named instance does that the configuration has. Its client is a keyed service under the name in lower case.</summary>
    /// <exception cref="MillraceConfigurationException">The configuration has no such instance.</exception>
    public MillraceBuilder ForInstance(string instance, Action<MillraceBuilder> configure)
    {
        ArgumentNullException.ThrowIfNull(configure);
        configure(new MillraceBuilder(Services, _instances, _instances.Get(instance).Name));
        return this;
    }

    /// <summary>Adds a named instance with a URL of its own. Its client is a keyed service under the name in lower case.</summary>
    /// <exception cref="MillraceConfigurationException">There is such an instance, with another URL.</exception>
    public MillraceBuilder ForInstance(string instance, string url, Action<MillraceBuilder>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(url);
        var registration = _instances.Add(Services, instance, new() { Queue = url });
        configure?.Invoke(new MillraceBuilder(Services, _instances, registration.Name));
        return this;
    }
}
